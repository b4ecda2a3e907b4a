// Package tlsfiles makes TLS connections to Nomad with a private CA and a client
// certificate that lie in files.
//
// The files are read for every connection, so certificates that were renewed
// count from the next connection on and no watcher is needed. The name of the
// server is always verified. Versions before TLS 1.2 are refused.
//
// The package does not judge who may read the files; a private key's mode is for
// its owner to set.
package tlsfiles

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Files names PEM files. All of them may be empty: the system's CAs then, and no
// client certificate. A Files may be used by several goroutines.
type Files struct {
	// CA holds the certificates of the authorities to trust, and no others count.
	CA string
	// Cert and Key are the client's certificate, with those between it and its
	// authority, and its private key. Both or none.
	Cert, Key string
}

// handshakeTimeout bounds a handshake, whatever the context says.
const handshakeTimeout = 10 * time.Second

// Check reads the files, to find mistakes before the first connection does.
func (f Files) Check() error {
	_, err := f.config("")
	return err
}

// Client returns a TLS connection over conn to a server that proves to be
// serverName, after the handshake. Protocols are offered by ALPN, in order of
// preference. The connection returned owns conn; after an error conn is for the
// caller to close.
func (f Files) Client(ctx context.Context, conn net.Conn, serverName string, protocols ...string) (net.Conn, error) {
	cfg, err := f.config(serverName)
	if err != nil {
		return nil, err
	}
	cfg.NextProtos = protocols
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	tc := tls.Client(conn, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
			err = errors.New("the server does not speak TLS")
		}
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return tc, nil
}

func (f Files) config(serverName string) (*tls.Config, error) {
	cfg := &tls.Config{ServerName: serverName, MinVersion: tls.VersionTLS12}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("read CA certificates: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read CA certificates: %q has none in PEM form", f.CA)
		}
	}
	switch {
	case f.Cert == "" && f.Key == "":
		return cfg, nil
	case f.Cert == "" || f.Key == "":
		return nil, errors.New("read client certificate: a certificate and its key are needed, and only one is given")
	}
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("read client certificate %q and key %q: %w", f.Cert, f.Key, err)
	}
	// By way of a function, because a certificate of an authority that the server
	// did not name would silently not be sent, and the refusal not say why.
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	return cfg, nil
}
