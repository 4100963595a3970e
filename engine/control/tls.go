package control

import (
	"crypto/tls"
	"fmt"
	"sync"
)

// TLS makes the configuration of a listener from a certificate's and its key's
// PEM file. They are read again for each connection, so that renewed ones are
// used at once; while they can't be read the last ones are.
func TLS(cert, key string) (*tls.Config, error) {
	p := &pair{cert: cert, key: key}
	if _, err := p.get(nil); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.get}, nil
}

// pair is a certificate in two files.
type pair struct {
	cert, key string

	mu   sync.Mutex
	last *tls.Certificate
}

func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, err := tls.LoadX509KeyPair(p.cert, p.key)
	switch {
	case err == nil:
		p.last = &c
	case p.last == nil:
		return nil, fmt.Errorf("read the certificate %s and its key %s: %w", p.cert, p.key, err)
	}
	return p.last, nil
}
