package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/leader/datafile"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/platform"
	"github.com/taskagent/taskagent/uds"
)

// Names of what is in a data directory, beside the sockets that wire names.
const (
	Lock      = "lock"             // held by the leader, never replaced
	StartLock = "start.lock"       // held by an agent that starts a leader
	Version   = "version"          // written last, when the directory is complete
	Keyring   = "keyring.json"     // private keys
	Settings  = "settings.json"    // what flags said, for the next leader
	Token     = "management.token" // the operator's, for the -http listener
	State     = "state.db"         // durable
	Allocs    = "allocs.db"        // running tasks, good until the next boot
	Log       = "leader.log"       // of a detached leader
	OldLog    = "leader.log.1"     // the one before
)

// FormatVersion is the version of the directory this program writes.
const FormatVersion = 1

// ErrNotOwner is matched by the error for a directory that is not ours.
var ErrNotOwner = errors.New("belongs to another user")

// Error is a refusal of a directory, with what to do about it.
type Error struct {
	Dir    string
	Err    error
	Advice string
}

// Error names the directory and what is wrong with it.
func (e *Error) Error() string { return fmt.Sprintf("data directory %s: %v", e.Dir, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns the next step for the user.
func (e *Error) Hint() string { return e.Advice }

// Ensure makes the directory, and missing parents, for us alone, or checks the
// one that is there.
func Ensure(dir string) error {
	err := Check(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return creation(dir, err)
	}
	if err := platform.MakePrivateDir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return creation(dir, err)
	}
	return Check(dir) // also what somebody else made in the meantime
}

func creation(dir string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok && pe.Path == dir {
		err = pe.Err
	}
	e := &Error{dir, fmt.Errorf("create: %w", err), "choose a place you may write to with -data-dir"}
	if platform.IsNoSpace(err) {
		e.Advice = datafile.FreeSpace
	}
	return e
}

// Check returns an error unless dir is a directory of ours that nobody else can
// enter. A missing one is reported with an error matching fs.ErrNotExist.
func Check(dir string) error {
	uid, err := Owner(dir)
	if err != nil {
		return err
	}
	if me := platform.CurrentUID(); uid != me {
		e := &Error{dir, fmt.Errorf("%w (uid %d, we are uid %d)", ErrNotOwner, uid, me), ""}
		e.Advice = "a leader runs only as the owner of its data directory: become that user, or choose another directory with -data-dir"
		return e
	}
	private, err := platform.IsPrivateDir(dir)
	if err != nil {
		return &Error{dir, err, ""}
	}
	if !private {
		return &Error{dir, errors.New("can be entered by other users"), "chmod 700 " + dir + ", and consider what it holds as known to others"}
	}
	return nil
}

// Owner returns the uid of the directory's owner, -1 on a system without.
func Owner(dir string) (uid int, err error) {
	info, err := os.Stat(dir)
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err
		}
		return -1, &Error{dir, err, unreachable(dir, err)}
	}
	if !info.IsDir() {
		return -1, &Error{dir, errors.New("is not a directory"), "choose another with -data-dir"}
	}
	uid, _, ok := platform.FileOwner(info)
	if !ok {
		return -1, nil
	}
	return uid, nil
}

// maxPath is how long the path of a directory may be for the sockets in it to be
// reached on every system, and by programs that know no way around.
const maxPath = uds.MaxPath - len("/") - len(wire.LeaderSocket)

// TooLong is the refusal of a directory whose sockets cannot be reached.
func TooLong(dir string) error {
	return &Error{dir, fmt.Errorf("its path of %d bytes is too long for the sockets in it", len(dir)), shorter()}
}

func shorter() string {
	return fmt.Sprintf("choose a directory with a path of at most %d bytes with -data-dir", maxPath)
}

// unreachable returns what to do about a directory that cannot be looked at.
func unreachable(dir string, err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ""
	case errors.Is(err, fs.ErrPermission):
		return "become a user who may enter it, or choose another directory with -data-dir"
	case len(dir) > maxPath:
		return shorter()
	}
	return "choose another directory with -data-dir"
}

// Advise adds what to do to an error of the system about a file in a data
// directory, unless it says so already.
func Advise(err error) error {
	switch {
	case err == nil || fault.HintOf(err) != "":
		return err
	case platform.IsNoSpace(err):
		return fault.Hint(err, datafile.FreeSpace)
	case platform.IsReadOnlyFS(err), errors.Is(err, fs.ErrPermission):
		return fault.Hint(err, "choose a directory you may write to with -data-dir")
	}
	return err
}

// Inspect reports whether dir was completed by an earlier leader. It refuses a
// directory that holds something else and one of a newer version.
func Inspect(dir string) (complete bool, err error) {
	data, err := datafile.Read(filepath.Join(dir, Version), 64)
	if errors.Is(err, fs.ErrNotExist) {
		return false, onlyOurs(dir)
	}
	if err != nil {
		return false, err
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(data)))
	switch {
	case err != nil || v < 1:
		return false, &Error{dir, fmt.Errorf("file %s is damaged", Version), "restore the directory from a backup"}
	case v > FormatVersion:
		return false, &Error{dir, fmt.Errorf("was written by a newer taskagent (version %d, this one knows %d)", v, FormatVersion), "run the newer taskagent again"}
	}
	return true, nil
}

// onlyOurs refuses a directory without a version that holds more than an
// interrupted beginning of ours.
func onlyOurs(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return &Error{dir, err, ""}
	}
	known := []string{Lock, StartLock, Keyring, Settings, Token, State, Allocs, Log, OldLog, wire.LeaderSocket, wire.TaskSocket}
	for _, e := range entries {
		if !slices.Contains(known, e.Name()) && !strings.HasPrefix(e.Name(), ".") {
			return &Error{dir, fmt.Errorf("holds %q and is no data directory of taskagent", e.Name()), "choose an empty or a new directory with -data-dir"}
		}
	}
	return nil
}

// Complete marks the directory as complete. The caller holds its lock.
func Complete(dir string) error {
	return datafile.Publish(filepath.Join(dir, Version), fmt.Appendln(nil, FormatVersion))
}
