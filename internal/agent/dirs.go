package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/platform"
	"github.com/taskagent/taskagent/secretsdir"
)

// dirs are the three directories of a task. What was made goes in close; what
// was given stays, without our files.
type dirs struct {
	layout *secretsdir.Layout // nil when all three were given
	places map[identity.Dir]*place
}

// place is one directory of a task.
type place struct {
	path    string
	made    bool
	dir     *secretsdir.Dir // nil where nothing is published
	options secretsdir.Options
	info    os.FileInfo // of the directory that dir is
}

// openDir opens the place for publishing, making it where it is missing.
func (p *place) openDir() error {
	dir, err := secretsdir.Open(p.path, p.options)
	if err != nil {
		return err
	}
	info, err := os.Stat(p.path)
	if err != nil {
		_ = dir.Close()
		return err
	}
	p.dir, p.info = dir, info
	return nil
}

// inPlace reports whether what is at the path is still what was opened.
func (p *place) inPlace() bool {
	info, err := os.Stat(p.path)
	return err == nil && os.SameFile(info, p.info)
}

// openDirs makes or opens the directories. Only those that get a token are
// opened for publishing, and so must be ours or the task's.
func openDirs(c *Config) (_ *dirs, err error) {
	uid, gid := owner(c.User)
	d := &dirs{places: map[identity.Dir]*place{
		identity.DirSecrets: {path: c.SecretsDir},
		identity.DirLocal:   {path: c.TaskDir},
		identity.DirAlloc:   {path: c.AllocDir},
	}}
	if c.Source == SourceFile {
		return d, nil // they are Nomad's: nothing is made, published or removed
	}
	defer func() {
		if err != nil {
			_ = d.close()
		}
	}()
	if c.SecretsDir == "" || c.TaskDir == "" || c.AllocDir == "" {
		if d.layout, err = secretsdir.CreateLayout("", uid, gid); err != nil {
			return nil, err
		}
		for kind, path := range map[identity.Dir]string{
			identity.DirSecrets: d.layout.Secrets, identity.DirLocal: d.layout.Local, identity.DirAlloc: d.layout.Alloc,
		} {
			if p := d.places[kind]; p.path == "" {
				p.path, p.made = path, true
			}
		}
	}
	used := map[identity.Dir]bool{identity.DirSecrets: true} // the socket is there, too
	for _, id := range c.Task.Identities {
		if id.File {
			kind, _ := id.Location()
			used[kind] = true
		}
	}
	for kind, p := range d.places {
		if used[kind] {
			p.options = secretsdir.Options{UID: uid, GID: gid, Create: true, AllowOthers: kind != identity.DirSecrets}
			err = p.openDir()
		} else {
			err = givenDir(p.path)
		}
		if err != nil {
			return nil, dirFault(p.path, err)
		}
	}
	return d, nil
}

func (d *dirs) secrets() string { return d.places[identity.DirSecrets].path }
func (d *dirs) local() string   { return d.places[identity.DirLocal].path }
func (d *dirs) alloc() string   { return d.places[identity.DirAlloc].path }

// givenDir makes sure that a directory nothing is published in is there.
func givenDir(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return os.Mkdir(path, 0o700)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", path)
	}
	return nil
}

func dirFault(path string, err error) error {
	switch {
	case errors.Is(err, secretsdir.ErrNotPrivate):
		return fault.Hint(err, "chmod 0700 "+path+", or leave -secrets-dir out to get a private one")
	case errors.Is(err, secretsdir.ErrOwner):
		return fault.Hint(err, "name a directory of the task's user, or leave -secrets-dir out to get a private one")
	case errors.Is(err, secretsdir.ErrSymlink):
		return fault.Hint(err, "name the directory itself")
	case errors.Is(err, fs.ErrNotExist):
		return fault.Hint(err, "mkdir -p "+filepath.Dir(path))
	}
	return err
}

// publish writes an identity's token to its file, if it has one.
func (d *dirs) publish(s identity.Spec, t identity.Token) error {
	if !s.File {
		return nil
	}
	kind, rel := s.Location()
	if d.places[kind].dir == nil {
		return nil // delivered by Nomad
	}
	if err := d.places[kind].dir.Publish(rel, []byte(t.Reveal())); err != nil {
		err = fmt.Errorf("publish identity %q: %w", s.Name, err)
		if errors.Is(err, secretsdir.ErrSymlink) || errors.Is(err, secretsdir.ErrInTheWay) {
			return fault.Hint(err, "move away what is in the file's place, or choose another directory")
		}
		return err
	}
	return nil
}

// close removes what was published and what was made.
func (d *dirs) close() error {
	var errs []error
	for _, p := range d.places {
		if p.dir == nil {
			continue
		}
		if !p.made {
			errs = append(errs, p.dir.RemovePublished())
		}
		errs = append(errs, p.dir.Close())
	}
	if d.layout != nil {
		errs = append(errs, d.layout.Remove())
	}
	return errors.Join(errs...)
}

// keep closes the directories and leaves everything where it is.
func (d *dirs) keep() {
	for _, p := range d.places {
		if p.dir != nil {
			_ = p.dir.Close()
		}
	}
}

// owner is who files are given to: the task's user, or nobody else than us.
func owner(u *platform.User) (uid, gid int) {
	if u == nil {
		return secretsdir.Keep, secretsdir.Keep
	}
	return u.UID, u.GID
}

func userName(u *platform.User) string {
	if u.Name != "" {
		return u.Name
	}
	return fmt.Sprint(u.UID)
}
