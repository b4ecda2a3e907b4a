package keyring

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/taskagent/taskagent/internal/leader/datafile"
)

// The file is one JSON object. Its sum is over the compact form of keys, so that
// a damaged data key is noticed before something is encrypted with it.
type file struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	Sum     string          `json:"sha256"`
	Keys    json.RawMessage `json:"keys"`
}

const (
	fileFormat  = "taskagent keyring"
	fileVersion = 1
	// maxFile bounds the file; a key takes under 4 KiB.
	maxFile = 16 << 20
)

// Errors a caller branches on; they arrive wrapped in a *datafile.Error.
var (
	ErrDamaged = errors.New("damaged")
	ErrForeign = errors.New("not a keyring of taskagent")
	ErrTooNew  = errors.New("written by a newer taskagent")
)

const restoreHint = "restore it from a backup; without its keys no variable in this data directory can be read. " +
	"To begin anew, move the whole data directory away"

func load(path string) ([]*key, error) {
	data, err := datafile.Read(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &datafile.Error{Op: "open keyring", Path: path, Err: fs.ErrNotExist, Advice: restoreHint}
	}
	if err != nil {
		return nil, fmt.Errorf("open keyring: %w", err)
	}
	keys, err := decode(data)
	if err != nil {
		e := &datafile.Error{Op: "open keyring", Path: path, Err: err, Advice: restoreHint}
		if errors.Is(err, ErrTooNew) {
			e.Advice = "run the newer taskagent again"
		}
		return nil, e
	}
	return keys, nil
}

func store(path string, keys []*key) error {
	data, err := encode(keys)
	if err != nil {
		return fmt.Errorf("publish %s: %w", path, err)
	}
	return datafile.Publish(path, data)
}

func encode(keys []*key) ([]byte, error) {
	records := make([]record, len(keys))
	for i, k := range keys {
		records[i] = k.record
	}
	raw, err := json.Marshal(records)
	if err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(file{fileFormat, fileVersion, sum(raw), raw}, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// decode reads a keyring and checks all of it: a key that could not be used
// later is better found while the operator looks.
func decode(data []byte) ([]*key, error) {
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%w: not complete JSON", ErrDamaged) // the cause could quote a key
	}
	switch {
	case f.Format != fileFormat:
		return nil, ErrForeign
	case f.Version > fileVersion:
		return nil, fmt.Errorf("%w: version %d, this one knows %d", ErrTooNew, f.Version, fileVersion)
	case f.Version < 1:
		return nil, fmt.Errorf("%w: version %d", ErrDamaged, f.Version)
	}
	var raw bytes.Buffer
	if err := json.Compact(&raw, f.Keys); err != nil || sum(raw.Bytes()) != f.Sum {
		return nil, fmt.Errorf("%w: its keys do not match their checksum", ErrDamaged)
	}
	var records []record
	if err := json.Unmarshal(raw.Bytes(), &records); err != nil {
		return nil, fmt.Errorf("%w: keys are not in the form of version %d", ErrDamaged, f.Version)
	}
	return useAll(records)
}

func useAll(records []record) ([]*key, error) {
	keys := make([]*key, 0, len(records))
	active := 0
	for _, r := range records {
		k, err := r.use()
		if err == nil && k.State == "" {
			err = fmt.Errorf("key %s: no state", k.ID)
		}
		if err == nil && slices.ContainsFunc(keys, func(o *key) bool { return o.ID == k.ID }) {
			err = fmt.Errorf("key %s is there twice", k.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if k.State == StateActive {
			active++
		}
		keys = append(keys, k)
	}
	if active != 1 {
		return nil, fmt.Errorf("%w: %d active keys, not 1", ErrDamaged, active)
	}
	return keys, nil
}

func sum(raw []byte) string {
	s := sha256.Sum256(raw)
	return hex.EncodeToString(s[:])
}
