package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"chertd/engine"
	"chertd/engine/control"
	"chertd/engine/store/sqlite"
	"chertd/luabind/diag"
)

// startError adds the position of the setting and a fix to an error that kept the daemon
// from starting. The exit code is 78 if another start would fail in the same way.
func (c *Config) startError(err error) error {
	if err == nil {
		return nil
	}
	setting, _ := errors.AsType[*engine.SettingError](err)
	hint, hinted := errors.AsType[interface {
		error
		Hint() string
	}](err)
	fix := ""
	if hinted {
		fix = hint.Hint()
	}
	if files := diag.OpenFilesHint(err); files != "" {
		if setting != nil {
			err = setting.Err
		}
		return c.wrong(exitFailure, settingKey(setting, "store.url"), codeOf(setting), files, err)
	}
	var inUse *sqlite.InUseError
	var socket *control.SocketError
	switch {
	case errors.As(err, &inUse):
		return c.wrong(exitFailure, "store.url", codeStore, fix, err)
	case isUnusable(err):
		return c.wrong(exitConfig, "store.url", codeStore, fix, err)
	case errors.As(err, &socket) && socket.InUse:
		return c.wrong(exitFailure, "control.socket", codeSocket, fix, socket)
	case errors.As(err, &socket):
		return c.wrong(exitConfig, "control.socket", codeSocket, fix, socket)
	case setting != nil && strings.HasPrefix(setting.Key, "control.tls"):
		return c.wrong(exitConfig, setting.Key, codeTLS, tlsHint, setting.Err)
	case setting != nil:
		hint, why := whyNotListening(setting.Err)
		return c.wrong(exitConfig, setting.Key, codeAddress, hint, why)
	}
	if errors.As(err, new(*sqlite.OpenError)) {
		return c.wrong(exitFailure, "store.url", codeStore, fix, err)
	}
	return fail(exitFailure, err)
}

// allStartErrors returns err together with all other errors that would keep the daemon
// from starting, sorted by line. If the next start may succeed, it returns only err,
// because what another process holds is not an error of the configuration.
func (c *Config) allStartErrors(ctx context.Context, d engine.Daemon, err error) error {
	all, code := startDiagnostics(err)
	if code != exitConfig || len(all) == 0 {
		return err
	}
	for _, fault := range d.Faults(ctx) {
		more, code := startDiagnostics(c.startError(fault))
		if code != exitConfig {
			continue
		}
		for _, m := range more {
			if !slices.ContainsFunc(all, func(a diag.Diagnostic) bool { return a == m }) {
				all = append(all, m)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b diag.Diagnostic) int { return cmp.Compare(uint(a.Line-1), uint(b.Line-1)) })
	return fail(exitConfig, all)
}

// startDiagnostics returns the diagnostics of an error and its exit code.
func startDiagnostics(err error) (diags diag.List, code int) {
	if f, ok := errors.AsType[*failure](err); ok {
		code = f.code
	}
	errors.As(err, &diags)
	return diags, code
}

// isUnusable reports whether an error of the store's files remains until someone fixes
// them.
func isUnusable(err error) bool {
	return errors.As(err, new(*sqlite.UnusableError)) || errors.As(err, new(*sqlite.MissingError)) ||
		errors.As(err, new(*sqlite.CorruptError)) || errors.As(err, new(*sqlite.LostError)) || errors.As(err, new(*sqlite.DamagedRestoreError)) || errors.As(err, new(*sqlite.NewerError))
}

func settingKey(e *engine.SettingError, otherwise string) string {
	if e == nil {
		return otherwise
	}
	return e.Key
}

func codeOf(e *engine.SettingError) string {
	switch {
	case e == nil:
		return codeStore
	case e.Key == "control.socket":
		return codeSocket
	case strings.HasPrefix(e.Key, "control.tls"):
		return codeTLS
	}
	return codeAddress
}

// wrong returns an error about the setting at a dotted path.
func (c *Config) wrong(code int, path, kind, hint string, err error) error {
	at := c.at(path)
	return fail(code, diag.List{{File: at.File, Line: at.Line, Col: at.Col, Severity: diag.SeverityError,
		Message: path + ": " + err.Error(), Code: kind, Hint: hint}})
}

// whyNotListening returns the fix for an error of listening, and the error in plain words.
func whyNotListening(err error) (hint string, why error) {
	address := "it"
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil {
		address = op.Addr.String()
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "stop it (ss -ltnp shows which it is), or choose another port", fmt.Errorf("another program listens on %s", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "write one that is (ip addr lists them), or :PORT for all; if it is there later, start chertd after it (systemd: After=network-online.target)",
			fmt.Errorf("%s is not an address of this machine", address)
	case errors.Is(err, fs.ErrPermission):
		return "choose a port from 1024 up, or allow lower ones (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE)", fmt.Errorf("%s: permission denied", address)
	case errors.As(err, new(*net.DNSError)):
		return "write an IP address of this machine, or correct the name", errors.New("the host has no address")
	}
	return "choose another address, for example 127.0.0.1:8787", err
}

const tlsHint = "both are PEM files; the key is that of the certificate, and not encrypted (openssl x509 -noout -text -in FILE shows a certificate)"

// readable returns the error of reading a certificate file, or nil.
func readable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("it is a directory")
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	case info.Size() == 0:
		return errors.New("it is empty")
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	return f.Close()
}

// checkCertificate reads the files of control.tls, so that a wrong name is found before
// anything is started.
func (c *Config) checkCertificate() error {
	t := c.Control.TLS
	if c.Control.Listen == "" || t.Cert == "" {
		return nil
	}
	var wrong diag.List
	for _, f := range []struct {
		key  string
		file Path
	}{{"control.tls.cert", t.Cert}, {"control.tls.key", t.Key}} {
		if err := readable(string(f.file)); err != nil {
			why, hint := whyUnread(string(f.file), err)
			found, _ := startDiagnostics(c.wrong(exitConfig, f.key, codeTLS, cmp.Or(hint, tlsHint), fmt.Errorf("%s: %s", f.file, why)))
			wrong = append(wrong, found...)
		}
	}
	if len(wrong) > 0 {
		return fail(exitConfig, wrong)
	}
	if _, err := control.LoadCertificate(string(t.Cert), string(t.Key)); err != nil {
		return c.wrong(exitConfig, "control.tls", codeTLS, tlsHint, err)
	}
	return nil
}

// onWindows are the commands that the build for Windows is for.
const onWindows = "new, check, test, eval and backtest"

// daemonRunsOn returns why the daemon can't run on an operating system, and what can.
func daemonRunsOn(goos string, supported bool) error {
	if supported {
		return nil
	}
	return hinted(fail(exitConfig, fmt.Errorf("the daemon does not run on %s: it needs Linux or macOS", goos)),
		"on this machine use "+onWindows+"; run the daemon on a server, in a container or in WSL")
}
