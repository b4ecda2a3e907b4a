package renew

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/filewatch"
)

// FileSource takes tokens from files that somebody else keeps fresh, such as a
// Nomad client. It only ever reads them, and never takes one that is half-written.
type FileSource struct {
	// Paths has the file of each identity.
	Paths map[string]string
	// Poll is how often the files are looked at without a notification of the
	// system. Zero: once a minute.
	Poll time.Duration
}

// DeliveredPaths returns where a Nomad client writes the tokens of a task with
// that secrets directory. Nomad takes a filepath from the directory above, the
// task's, whatever it starts with.
func DeliveredPaths(secretsDir string, specs []identity.Spec) map[string]string {
	paths := make(map[string]string)
	for _, s := range specs {
		if s.Filepath != "" {
			paths[s.Name] = filepath.Join(filepath.Dir(filepath.Clean(secretsDir)), filepath.FromSlash(s.Filepath))
		} else {
			paths[s.Name] = filepath.Join(secretsDir, s.FileName())
		}
	}
	return paths
}

// FindDelivered returns the files of the identities that were delivered to that
// secrets directory under their usual names.
func FindDelivered(secretsDir string) (map[string]string, error) {
	entries, err := os.ReadDir(secretsDir)
	if err != nil {
		return nil, fmt.Errorf("look for delivered tokens: %w", err)
	}
	paths := make(map[string]string)
	for _, e := range entries {
		if e.Name() == "nomad_token" {
			paths[identity.DefaultName] = filepath.Join(secretsDir, e.Name())
			continue
		}
		rest, prefixed := strings.CutPrefix(e.Name(), "nomad_")
		name, suffixed := strings.CutSuffix(rest, ".jwt")
		if prefixed && suffixed && name != identity.DefaultName && (identity.Spec{Name: name}).Validate() == nil {
			paths[name] = filepath.Join(secretsDir, e.Name())
		}
	}
	return paths, nil
}

// Fetch reads the tokens of the identities named. It returns those that can be
// read along with errors about the others, none of them permanent.
func (s *FileSource) Fetch(ctx context.Context, names []string) (map[string]identity.Token, error) {
	tokens := make(map[string]identity.Token)
	var errs []error
	for _, name := range names {
		token, err := s.read(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("identity %q: %w", name, err))
			continue
		}
		tokens[name] = token
	}
	return tokens, errors.Join(errs...)
}

func (s *FileSource) read(name string) (identity.Token, error) {
	path, ok := s.Paths[name]
	if !ok {
		return identity.Token{}, errors.New("no file is known of it")
	}
	data, err := filewatch.Read(path, s.options())
	if errors.Is(err, fs.ErrNotExist) {
		return identity.Token{}, fmt.Errorf("%w: was it delivered?", err)
	}
	if err != nil {
		return identity.Token{}, err
	}
	token, _, err := identity.ParseInsecure(string(bytes.TrimSpace(data)))
	if err != nil {
		return identity.Token{}, fmt.Errorf("read %q: %w", path, err)
	}
	return token, nil
}

// Notify calls changed when one of the files has another token in it.
func (s *FileSource) Notify(ctx context.Context, changed func()) error {
	var paths []string
	for _, path := range s.Paths {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return filewatch.Watch(ctx, paths, s.options(), func(string, []byte) { changed() })
}

func (s *FileSource) options() filewatch.Options {
	return filewatch.Options{Valid: filewatch.CompleteToken, Poll: s.Poll}
}

var _ Notifier = (*FileSource)(nil)
