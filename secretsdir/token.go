package secretsdir

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/taskagent/taskagent/internal/filewatch"
)

// Default is the name of the identity every task has.
const Default = "default"

// Path returns where the token of an identity lies, in the directory that
// NOMAD_SECRETS_DIR names: nomad_token for Default (or an empty name) and
// nomad_<name>.jwt for others. An identity whose block sets a filepath lies
// there instead, and is read with ReadFile.
func Path(name string) (string, error) {
	dir := os.Getenv("NOMAD_SECRETS_DIR")
	if dir == "" {
		return "", errors.New("find the secrets directory: NOMAD_SECRETS_DIR is not set; is this process run by taskagent or Nomad?")
	}
	if name == "" || name == Default {
		return filepath.Join(dir, "nomad_token"), nil
	}
	file := "nomad_" + name + ".jwt"
	if !filepath.IsLocal(file) || filepath.Base(file) != file {
		return "", fmt.Errorf("%q is not the name of an identity", name)
	}
	return filepath.Join(dir, file), nil
}

// Read returns the current token of an identity of this task, Default or
// another. It is cheap enough to be called for every request that needs a
// token; a token kept for longer goes stale at the next renewal. See ReadFile
// for its errors.
func Read(name string) (string, error) {
	path, err := Path(name)
	if err != nil {
		return "", err
	}
	return ReadFile(path)
}

// ReadFile is Read for a token that lies at path. A missing file is an error
// matching fs.ErrNotExist; an empty or incomplete one is an error, too, after a
// writer had a moment to finish it.
func ReadFile(path string) (string, error) {
	data, err := filewatch.Read(path, tokenFile())
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	return string(bytes.TrimSpace(data)), nil
}

// tokenFile says how tokens are read. What has the form of a whole one needs to
// stay the same for no longer than writing a kilobyte in place takes: ten
// milliseconds would be most of the time until a reader sees a renewed token.
func tokenFile() filewatch.Options {
	return filewatch.Options{Valid: filewatch.CompleteToken, Settle: 2 * time.Millisecond}
}
