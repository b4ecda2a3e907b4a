package nomadtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/taskagent/taskagent/internal/nomad/tlsfiles"
)

// Certs is a certificate authority and certificates of it, in files: of a
// server, a client, and for HTTP's sake all of them for localhost and 127.0.0.1.
type Certs struct {
	// CA is the authority's certificate.
	CA string
	// Server and Client are for server.<region>.nomad and client.<region>.nomad.
	Server, Client tlsfiles.Files

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCerts makes an authority and certificates in a temporary directory.
func NewCerts(t testing.TB, region string) *Certs {
	t.Helper()
	c := &Certs{dir: t.TempDir()}
	var err error
	if c.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	serial := big.NewInt(time.Now().UnixNano())
	template := &x509.Certificate{
		// A name of its own: verifiers tell apart authorities of the same name only
		// by their signatures, and say so.
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Test CA " + serial.String()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &c.key.PublicKey, c.key)
	if err != nil {
		t.Fatal(err)
	}
	if c.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	c.CA = c.write(t, "ca.pem", "CERTIFICATE", der)
	c.Server = c.Issue(t, "server."+region+".nomad")
	c.Client = c.Issue(t, "client."+region+".nomad")
	return c
}

// Issue makes a certificate for a name, localhost and 127.0.0.1.
func (c *Certs) Issue(t testing.TB, name string) tlsfiles.Files {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		DNSNames: []string{name, "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.cert, &key.PublicKey, c.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return tlsfiles.Files{
		CA:   c.CA,
		Cert: c.write(t, name+".pem", "CERTIFICATE", der),
		Key:  c.write(t, name+".key", "PRIVATE KEY", private),
	}
}

func (c *Certs) write(t testing.TB, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ServerConfig returns the TLS configuration of a server that wants the clients'
// certificates.
func (c *Certs) ServerConfig(t testing.TB) *tls.Config {
	t.Helper()
	return c.Config(t, c.Server)
}

// Config returns the TLS configuration of a server with the certificate given.
func (c *Certs) Config(t testing.TB, f tlsfiles.Files) *tls.Config {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(c.cert)
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

// config is the tls block of an agent.
func (c *Certs) config(role string) string {
	f := c.Server
	if role == "client" {
		f = c.Client
	}
	return fmt.Sprintf(`
tls {
  http                   = true
  rpc                    = true
  ca_file                = %q
  cert_file              = %q
  key_file               = %q
  verify_server_hostname = true
  verify_https_client    = true
}`, c.CA, f.Cert, f.Key)
}

func (c *Certs) transport() *http.Transport {
	cert, err := tls.LoadX509KeyPair(c.Client.Cert, c.Client.Key)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(c.cert)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}}}
}
