package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"chertd/luabind/diag"
)

// network looks up the host of chert.base_url and connects to it, or to the proxy that
// leads to it.
func (k *checkup) network(ctx context.Context) result {
	u, err := url.Parse(k.c.Chert.BaseURL)
	if err != nil || u.Hostname() == "" {
		return skipped("chert.base_url is not a URL")
	}
	ctx, cancel := context.WithTimeout(ctx, doctorStep)
	defer cancel()
	got := k.reach(ctx, &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}, "chert.base_url")
	r := fine("%s", got.summary)
	if got.why != "" {
		r.problem(got.why, got.fix)
	}
	return r
}

// reached is whether a host can be connected to.
type reached struct {
	summary  string
	why, fix string // why it can't, and what to do; "": it can
}

// reach looks up the host of a URL and connects to it, or to the proxy that leads to it. It sends
// no request. key is the setting that has the URL; what the result shows of the URL is not secret.
func (k *checkup) reach(ctx context.Context, u *url.URL, key string) reached {
	via := ""
	to := u
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	switch {
	case err != nil:
		return reached{"the way to " + u.Host + " is not known", "the proxy of the environment can't be used: " + err.Error(),
			"set HTTPS_PROXY to a URL such as http://proxy.example.com:3128, or unset it"}
	case proxy != nil:
		via, to = " through the proxy "+proxy.Redacted(), proxy
	}
	conn, err := dialURL(ctx, to)
	if err != nil {
		return reached{"can't connect to " + to.Host, k.whyNotConnected(to.Hostname(), err), k.connectFix(to, key, proxy != nil, err)}
	}
	defer conn.Close()
	connected := fmt.Sprintf("connected to %s%s", u.Host, via)
	if to.Scheme != "https" {
		return reached{summary: connected}
	}
	secure := tls.Client(conn, &tls.Config{ServerName: to.Hostname(), MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		return reached{fmt.Sprintf("connected to %s, but not securely", to.Host), "TLS: " + err.Error(), certificateFix(to.Hostname(), key, err)}
	}
	return reached{summary: connected + ", " + tls.VersionName(secure.ConnectionState().Version)}
}

// dialURL connects to the host of a URL.
func dialURL(ctx context.Context, u *url.URL) (net.Conn, error) {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
}

// whyNotConnected returns an error of connecting in plain words.
func (k *checkup) whyNotConnected(host string, err error) string {
	name, lookup := errors.AsType[*net.DNSError](err)
	switch {
	case lookup && name.IsNotFound:
		return "DNS: the name " + host + " does not exist"
	case lookup:
		return "DNS: the name " + host + " can't be looked up: " + name.Err
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer from %s within %s", host, diag.Duration(doctorStep))
	}
	return err.Error()
}

// connectFix returns what to do if nothing answers at an address, which a setting has.
func (k *checkup) connectFix(to *url.URL, key string, proxy bool, err error) string {
	switch {
	case proxy:
		return "check HTTPS_PROXY, which names " + to.Host + ", or add the host of " + key + " to NO_PROXY"
	case diag.OpenFilesHint(err) != "":
		return diag.OpenFilesHint(err)
	case errors.As(err, new(*net.DNSError)):
		return fmt.Sprintf("%s: check the host of %s; if it is right, check the name server (/etc/resolv.conf): getent hosts %s", k.at(key), key, diag.ShellWord(to.Hostname()))
	}
	return fmt.Sprintf("%s: check %s; if it is right, check the firewall and routes: curl -sv %s", k.at(key), key, diag.ShellWord(to.String()))
}

// certificateFix returns what to do about a certificate that is not trusted, of a host that a
// setting has.
func certificateFix(host, key string, err error) string {
	bad, ok := errors.AsType[*tls.CertificateVerificationError](err)
	var invalid x509.CertificateInvalidError
	switch {
	case !ok:
		return "check that nothing between this machine and " + host + " changes TLS: openssl s_client -connect " + diag.ShellWord(host+":443")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "check this machine's clock, which is " + time.Now().UTC().Format(time.RFC3339) + ": timedatectl"
	case errors.As(err, new(x509.HostnameError)):
		return "check " + key + ", and what the name " + host + " leads to here: getent hosts " + diag.ShellWord(host)
	case len(bad.UnverifiedCertificates) > 0:
		return fmt.Sprintf("the certificate was issued by %q. If that is a proxy of yours, add its CA to the system's (update-ca-certificates), or set SSL_CERT_FILE; if not, install ca-certificates",
			bad.UnverifiedCertificates[0].Issuer.CommonName)
	}
	return "install the system's CA certificates (package ca-certificates), or set SSL_CERT_FILE"
}
