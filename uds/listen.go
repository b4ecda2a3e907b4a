package uds

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/taskagent/taskagent/platform"
)

// Options says what a socket is to be like.
type Options struct {
	// Mode is the socket's mode, whatever the umask; 0 means 0600. On
	// Windows the socket gets a protected DACL when Mode leaves out group and
	// others, and that of its directory otherwise.
	Mode os.FileMode
	// UID and GID are who the socket belongs to; -1 means us. Mind that 0 is
	// root. On Windows both must be -1.
	UID, GID int
	// RuntimeDir is where to make a directory for the short name of a path
	// that is too long. It must be a place where nobody else can rename what
	// we make, and UID must be able to reach it. Empty means one that
	// [platform.PrivateTempRootFor] or the system's temporary directory offers.
	RuntimeDir string
}

// A Listener accepts connections on the socket made by [Listen]. Its methods
// may be called concurrently.
type Listener struct {
	ln    *net.UnixListener
	path  string   // asked for
	dial  string   // served
	dir   *os.Root // directory of path
	name  string   // last element of path
	info  fs.FileInfo
	short *shortDir // where the socket is when an alias is at path; else nil

	closeOnce sync.Once
	closeErr  error
}

// Listen makes a socket at path and listens on it. The directory must exist.
//
// The socket is bound in a staging directory beside path that nobody else can
// enter, gets its mode and owner there, and is renamed into place, so that it
// is never seen with others. A socket at path that nobody listens on is
// replaced by that rename: who dials meanwhile reaches the dead or the new one,
// and always one. A live one, or one that we may not connect to, is left alone
// and the error matches [ErrInUse]; anything else is left alone with
// [ErrInTheWay].
//
// There is a race in looking first and renaming then: a program may start to
// listen in between, and lose its name. Those who use this package keep out of
// each other's way by a lock on the directory; others cannot be made to.
//
// Where path has more than [MaxPath] bytes (or, where sockets cannot be bound
// through a descriptor, the staging directory's name would have), the socket
// is made in a fresh private directory under a short name, and path becomes a
// symlink to it. An error matches [ErrPathTooLong] when there is no place for
// that.
//
// On Windows a bound socket is not known to survive a rename. There a dead one
// is removed and the new one bound in its place; its DACL is set right after,
// so until then that of the directory must do.
func Listen(path string, o Options) (*Listener, error) {
	asked := path
	if err := platform.AFUnix(); err != nil {
		return nil, fmt.Errorf("listen on socket %q: %w", asked, err)
	}
	path, err := cleanPath(path)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if o.Mode == 0 {
		o.Mode = 0o600
	}
	l, err := listen(path, o)
	if err != nil {
		if inUse := new(InUseError); errors.As(err, &inUse) {
			return nil, err // names the socket already
		}
		return nil, fmt.Errorf("listen on socket %q: %w", asked, cause(err))
	}
	return l, nil
}

func listen(path string, o Options) (_ *Listener, err error) {
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("open its directory: %w", cause(err))
	}
	defer func() {
		if err != nil {
			dir.Close()
		}
	}()
	unlock := lockDir(dir, 2*time.Second)
	defer unlock()

	l := &Listener{path: path, dial: path, dir: dir, name: filepath.Base(path)}
	left, err := clearWay(dir, l.name, path, o)
	if err != nil {
		return nil, err
	}
	if len(path) <= MaxPath {
		err = l.place(o)
	} else {
		err = tooLong(path)
	}
	if errors.Is(err, ErrPathTooLong) {
		err = l.placeShort(o)
	}
	if err != nil {
		return nil, err
	}
	left.remove()
	return l, nil
}

// Accept waits for the next connection, a [*net.UnixConn]. After Close its
// error matches [net.ErrClosed].
func (l *Listener) Accept() (net.Conn, error) {
	return l.ln.Accept()
}

// Path is the path that was asked for, made absolute. Where it is too long it
// is a symlink to [Listener.DialPath].
func (l *Listener) Path() string { return l.path }

// DialPath is a path of at most [MaxPath] bytes that any program can connect
// to: [Listener.Path], or the short name.
func (l *Listener) DialPath() string { return l.dial }

// Addr is [Listener.DialPath] as an address. The local address of a connection
// may be another one: the one the socket was bound by.
func (l *Listener) Addr() net.Addr {
	return &net.UnixAddr{Name: l.dial, Net: "unix"}
}

// InPlace reports whether those who dial [Listener.Path] still get here: whether
// what Listen put there was neither removed nor replaced. What cannot be looked
// at is taken to be in place.
func (l *Listener) InPlace() bool {
	there, err := l.dir.Lstat(l.name)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	if l.short != nil {
		if _, err := os.Lstat(l.dial); errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return os.SameFile(there, l.info)
}

// Close stops listening and removes what Listen made. What somebody else has
// put at the path meanwhile stays. Connections stay open. Further calls return
// what the first did.
func (l *Listener) Close() error {
	l.closeOnce.Do(func() { l.closeErr = l.close() })
	return l.closeErr
}

func (l *Listener) close() error {
	unlock := lockDir(l.dir, 200*time.Millisecond)
	// While the socket is bound its inode cannot become another file's, so
	// looking has to come before closing.
	err := removeSame(l.dir, l.name, l.info)
	unlock()
	if l.short != nil {
		err = errors.Join(err, l.short.remove())
	}
	if closeErr := l.ln.Close(); closeErr != nil {
		err = errors.Join(err, cause(closeErr))
	}
	l.dir.Close()
	if err != nil {
		return fmt.Errorf("close socket %q: %w", l.path, err)
	}
	return nil
}

// removeSame removes name in dir if it is still the file that info describes.
func removeSame(dir *os.Root, name string, info fs.FileInfo) error {
	there, err := dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !os.SameFile(there, info) {
		return nil
	}
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lockDir keeps other users of this package from changing what is in dir. It
// gives up after patience: the lock is open to everybody who can read the
// directory, and may not be there at all.
func lockDir(dir *os.Root, patience time.Duration) (unlock func()) {
	f, err := dir.Open(".")
	if err != nil {
		return func() {}
	}
	deadline := time.Now().Add(patience)
	for errors.Is(platform.TryLockDir(f), platform.ErrLocked) && time.Now().Before(deadline) {
		time.Sleep(2 * time.Millisecond)
	}
	return func() { f.Close() }
}

// randomName returns a name that nobody guesses, short because it goes into
// socket paths.
func randomName(prefix string) string {
	return prefix + strings.ToLower(rand.Text()[:randomLen])
}

const randomLen = 10
