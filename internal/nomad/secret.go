package nomad

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/taskagent/taskagent/platform"
)

// secretSize is the length of a node's secret, a UUID.
const secretSize = 36

// ReadSecret reads a node's secret from its file, client/secret-id in the data
// directory of the Nomad client. The caller owns the bytes and should overwrite
// them after use. No error holds any of them.
//
// On Unix the file has to be readable by its owner alone, who has to be the
// caller or root. Windows has no such modes: there the directory, which Nomad
// makes, is what protects it.
func ReadSecret(path string) ([]byte, error) {
	secret, err := readSecret(path)
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err
		}
		return nil, fmt.Errorf("read the node's secret from %q: %w", path, err)
	}
	return secret, nil
}

func readSecret(path string) ([]byte, error) {
	// Opening a FIFO would wait for a writer.
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkSecretFile(info); err != nil {
		return nil, err
	}
	b := make([]byte, secretSize+len("\r\n")+1) // full: there is more
	n, err := io.ReadFull(f, b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		clear(b)
		return nil, err
	}
	secret := bytes.TrimRight(b[:n], "\r\n")
	if n == len(b) || !isUUID(secret) {
		clear(b)
		return nil, errors.New("there is something else in it")
	}
	return secret, nil
}

func checkSecretFile(info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	if runtime.GOOS == "windows" {
		return nil
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("others than its owner may use it (mode %04o); it should be 0600", mode)
	}
	if uid, _, ok := platform.FileOwner(info); ok && uid != 0 && uid != platform.CurrentUID() {
		return fmt.Errorf("it belongs to uid %d, neither us nor root", uid)
	}
	return nil
}

// isUUID keeps anything but a secret, say of a path that was mixed up, from
// being sent to a server.
func isUUID(b []byte) bool {
	if len(b) != secretSize {
		return false
	}
	for i, c := range b {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
		default:
			return false
		}
	}
	return true
}
