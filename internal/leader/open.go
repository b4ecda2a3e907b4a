package leader

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/internal/leader/datafile"
	"github.com/taskagent/taskagent/internal/leader/keyring"
	"github.com/taskagent/taskagent/internal/leader/state"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/platform"
)

// open opens what is in the data directory, or completes a new one. A directory
// that was complete once is never completed again: what is missing from it is
// lost, and an empty one in its place would hide that.
func (l *Leader) open() error {
	dir := l.cfg.DataDir
	complete, err := datadir.Inspect(dir)
	if err != nil {
		return err
	}
	if err := datafile.Sweep(dir); err != nil {
		return err
	}
	kept, err := loadSettings(dir)
	if err != nil {
		return err
	}
	l.settings = l.cfg.Settings.over(kept)
	if l.keys, err = openKeyring(dir, complete, l.settings.keyring(nil)); err != nil {
		return err
	}
	boot, err := platform.BootID()
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	l.store, err = state.Open(dir, state.Options{Crypter: l.keys, BootID: boot, MustExist: complete, Logger: l.log.Named("state")})
	if err != nil {
		return err
	}
	if !complete {
		if err := l.complete(); err != nil {
			l.store.Close()
			return err
		}
	}
	l.connect()
	return nil
}

func openKeyring(dir string, complete bool, o keyring.Options) (*keyring.Keyring, error) {
	path := filepath.Join(dir, datadir.Keyring)
	if !complete {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return keyring.Create(path, o)
		}
	}
	return keyring.Open(path, o)
}

// complete gives a new directory the operator's token, and says that it is whole.
func (l *Leader) complete() error {
	secret, err := readToken(l.cfg.DataDir)
	if errors.Is(err, fs.ErrNotExist) {
		secret = state.NewID()
		err = datafile.Publish(filepath.Join(l.cfg.DataDir, datadir.Token), fmt.Appendln(nil, secret))
	}
	if err != nil {
		return err
	}
	if err := l.store.ImportManagementToken(secret); err != nil {
		return fmt.Errorf("create the management token: %w", err)
	}
	return datadir.Complete(l.cfg.DataDir)
}

// connect makes the parts know each other.
func (l *Leader) connect() {
	l.store.RaiseIndex(l.keys.Index())
	l.keys.SetHooks(keyring.Hooks{
		Variables: l.store.KeyInUse,
		Forever:   l.holdsForever,
		NextIndex: l.store.NextIndex,
		Changed: func() {
			if _, err := l.store.Touch(state.TableKeys); err != nil {
				l.log.Error("cannot record a change of the keyring", "error", err)
			}
			l.poke()
		},
	})
	l.leases = newLeases(l.store, l.log, l.poke)
	l.signer = &signer{store: l.store, keys: l.keys, issuer: value(l.settings.Issuer, "")}
	l.auth = &authenticator{store: l.store, keys: l.keys, ended: l.leases.isEnded}
}

// holdsForever reports whether a running task may have a token without an
// expiry that was signed before then.
func (l *Leader) holdsForever(then time.Time) (bool, error) {
	return slices.ContainsFunc(l.store.Tasks(), func(t *state.Task) bool {
		return t.StartedAt.Before(then) && slices.ContainsFunc(t.Identities, func(id wire.Identity) bool { return id.TTL == 0 })
	}), nil
}

// keepSettings writes what the next leader is to know, when it is new.
func (l *Leader) keepSettings() error {
	kept, err := loadSettings(l.cfg.DataDir)
	if err != nil {
		return err
	}
	if reflect.DeepEqual(kept, l.settings) {
		return nil
	}
	return storeSettings(l.cfg.DataDir, l.settings)
}
