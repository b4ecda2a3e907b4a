package leader

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/internal/leader/datafile"
	"github.com/taskagent/taskagent/internal/leader/keyring"
)

// Settings are what flags said once and every later leader of the same
// directory keeps to. A nil field was not given.
type Settings struct {
	// HTTP is the address of the operators' listener, empty for none. An address
	// without a host means loopback.
	HTTP *string `json:"http,omitempty"`
	// ACL false opens the operators' listener to callers without a token. The task
	// door never opens.
	ACL *bool `json:"acl,omitempty"`
	// Issuer is the URL in the iss claim and in OIDC discovery; empty for none.
	Issuer *string `json:"oidc_issuer,omitempty"`
	// SigningAlg is RS256 or EdDSA, for keys made from now on.
	SigningAlg *string `json:"signing_alg,omitempty"`
	// RotateEvery is how long a signing key is active.
	RotateEvery *Duration `json:"rotate_every,omitempty"`
}

// Duration is a time.Duration that is a string such as "720h0m0s" in JSON.
type Duration time.Duration

// MarshalText writes the duration as time.Duration does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// over returns the settings with those of s where they were given.
func (s Settings) over(kept Settings) Settings {
	if s.HTTP != nil {
		kept.HTTP = s.HTTP
	}
	if s.ACL != nil {
		kept.ACL = s.ACL
	}
	if s.Issuer != nil {
		kept.Issuer = s.Issuer
	}
	if s.SigningAlg != nil {
		kept.SigningAlg = s.SigningAlg
	}
	if s.RotateEvery != nil {
		kept.RotateEvery = s.RotateEvery
	}
	return kept
}

// Validate returns the first setting that cannot be right.
func (s Settings) Validate() error {
	if err := s.keyring(nil).Validate(); err != nil {
		return err
	}
	if _, err := listenAddress(value(s.HTTP, "")); err != nil {
		return err
	}
	return checkIssuer(value(s.Issuer, ""))
}

func (s Settings) keyring(now func() time.Time) keyring.Options {
	return keyring.Options{
		Algorithm:   value(s.SigningAlg, ""),
		RotateEvery: time.Duration(value(s.RotateEvery, 0)),
		Now:         now,
	}
}

// listenAddress completes the address of the operators' listener: a port alone,
// or an address without a host, means loopback.
func listenAddress(addr string) (string, error) {
	if addr == "" {
		return "", nil
	}
	if _, err := strconv.ParseUint(addr, 10, 16); err == nil {
		addr = ":" + addr
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("http address %q: want HOST:PORT", addr)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("http address %q: port %q is not a number from 0 to 65535", addr, port)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// checkIssuer refuses an issuer that no verifier could look up.
func checkIssuer(issuer string) error {
	if issuer == "" {
		return nil
	}
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("oidc issuer %q: want an http or https URL", issuer)
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("oidc issuer %q: may have no user, query or fragment", issuer)
	}
	return nil
}

// settingsFile is the form of the file.
type settingsFile struct {
	Version int `json:"version"`
	Settings
}

const (
	settingsVersion = 1
	maxSettings     = 1 << 20
)

// loadSettings reads what earlier leaders were told; none is no error.
func loadSettings(dir string) (Settings, error) {
	path := filepath.Join(dir, datadir.Settings)
	data, err := datafile.Read(path, maxSettings)
	if errors.Is(err, fs.ErrNotExist) {
		return Settings{}, nil
	}
	if err != nil {
		return Settings{}, err
	}
	var f settingsFile
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields() // a misspelt acl must not be an acl left out
	err = dec.Decode(&f)
	var probe struct{ Version int }
	switch {
	case json.Unmarshal(data, &probe) == nil && probe.Version > settingsVersion:
		err = fmt.Errorf("written by a newer taskagent: version %d, this one knows %d", probe.Version, settingsVersion)
		return Settings{}, &datafile.Error{Op: "read settings", Path: path, Err: err, Advice: "run the newer taskagent again"}
	case err == nil && f.Version != settingsVersion:
		err = fmt.Errorf("version %d is not one of taskagent's", f.Version)
	case err == nil:
		err = f.Validate()
	}
	if err != nil {
		return Settings{}, &datafile.Error{
			Op: "read settings", Path: path, Err: err,
			Advice: "mend the file, or move it away and give the flags of taskagent leader again",
		}
	}
	return f.Settings, nil
}

func storeSettings(dir string, s Settings) error {
	data, err := json.MarshalIndent(settingsFile{settingsVersion, s}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	return datafile.Publish(filepath.Join(dir, datadir.Settings), append(data, '\n'))
}
