package control

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// Certificate is a certificate and its key in two PEM files. It reads the files for each
// connection, so that a renewed certificate is used immediately. While they can't be
// read, it uses the last certificate, and Broken returns why.
type Certificate struct {
	cert, key string

	mu   sync.Mutex
	last *tls.Certificate
}

// LoadCertificate reads a certificate and its key from two PEM files.
func LoadCertificate(cert, key string) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key}
	if _, err := c.get(nil); err != nil {
		return nil, err
	}
	return c, nil
}

// Config returns the configuration of a TLS listener with the certificate.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

// Broken returns why the files can't be used now; nil: they can.
func (c *Certificate) Broken() error {
	_, err := c.read()
	return err
}

// Names reports whether the certificate is valid for a host.
func (c *Certificate) Names(host string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.Leaf.VerifyHostname(host) == nil
}

func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pair, err := c.read()
	switch {
	case err == nil:
		c.last = &pair
	case c.last == nil:
		return nil, err
	}
	return c.last, nil
}

// read reads both files.
func (c *Certificate) read() (pair tls.Certificate, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read the certificate %s and its key %s: %w", c.cert, c.key, err)
		}
	}()
	cert, err := readRegular(c.cert)
	if err != nil {
		return pair, err
	}
	key, err := readRegular(c.key)
	if err != nil {
		return pair, err
	}
	return tls.X509KeyPair(cert, key)
}

// readRegular reads a regular file. It refuses a named pipe, which may block.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("it is not a regular file")}
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}
