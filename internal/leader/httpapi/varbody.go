package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/taskagent/taskagent/internal/leader/state"
)

// The bounds of a variable and of its lock, and what a lock has that does not say.
const (
	maxItems         = 64 << 10 // bytes of keys and values together
	maxPath          = 128
	minLockTTL       = 10 * time.Second
	maxLockTTL       = 24 * time.Hour
	defaultLockTTL   = 15 * time.Second
	defaultLockDelay = 15 * time.Second
)

// variableBody is a variable as clients send it. Its path is that of the URL, and
// its indexes and times are for us to say: they are here only so that nonsense in
// them is refused.
type variableBody struct {
	Namespace   string
	Path        string
	Items       map[string]string
	Lock        *lockBody
	CreateIndex uint64
	CreateTime  int64
	ModifyIndex uint64
	ModifyTime  int64
}

// lockBody is a lock as clients send it: durations as text or in nanoseconds.
type lockBody struct {
	ID        string
	TTL       duration
	LockDelay duration
}

// duration is a duration in JSON, as "15s", "" or nanoseconds.
type duration time.Duration

// UnmarshalJSON reads a duration. What is neither text nor number is left alone,
// as in Nomad.
func (d *duration) UnmarshalJSON(data []byte) error {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil
		}
		parsed, err := time.ParseDuration(v)
		if err != nil {
			return err
		}
		*d = duration(parsed)
	case float64:
		*d = duration(v)
	}
	return nil
}

// canonical returns the lock with an id and both durations; nil stays nil.
func (l *lockBody) canonical() *state.Lock {
	if l == nil {
		return nil
	}
	lock := &state.Lock{ID: l.ID, TTL: time.Duration(l.TTL), LockDelay: time.Duration(l.LockDelay)}
	if lock.ID == "" {
		lock.ID = state.NewID()
	}
	if lock.TTL == 0 {
		lock.TTL = defaultLockTTL
	}
	if lock.LockDelay == 0 {
		lock.LockDelay = defaultLockDelay
	}
	return lock
}

// checkLock refuses a lock that ends too soon or too late.
func checkLock(l *state.Lock) error {
	var bad []string
	if l.LockDelay < 0 || l.TTL < 0 {
		bad = append(bad, "Lock delay and TTL must be positive")
	}
	if l.TTL > maxLockTTL || l.TTL < minLockTTL {
		bad = append(bad, "TTL must be between 10 seconds and 24 hours")
	}
	return problems(bad)
}

// size returns how much the items count for.
func (v *variableBody) size() (n int) {
	for key, value := range v.Items {
		n += len(key) + len(value)
	}
	return n
}

const (
	allNamespaces   = "*"
	errTooLargeText = "variables are limited to 64KiB in total size"
	errWildcardText = `can not target wildcard ("*")namespace`
)

// checkSet refuses a variable that cannot be written.
func (v *variableBody) checkSet(lock *state.Lock) error {
	switch {
	case v.Namespace == allNamespaces:
		return errors.New(errWildcardText)
	case len(v.Items) == 0:
		return errors.New("empty variables are invalid")
	case v.size() > maxItems:
		return errors.New(errTooLargeText)
	}
	if err := v.checkPlace(); err != nil {
		return err
	}
	if lock != nil {
		return checkLock(lock)
	}
	return nil
}

// checkAcquire refuses a variable that cannot be locked. It may be without items.
func (v *variableBody) checkAcquire(lock *state.Lock) error {
	switch {
	case v.Namespace == allNamespaces:
		return problems([]string{errWildcardText})
	case v.size() > maxItems:
		return errors.New(errTooLargeText)
	}
	if err := v.checkPlace(); err != nil {
		return err
	}
	return checkLock(lock)
}

// checkPlace refuses a path or a namespace that no variable can have. That the
// namespace exists is not asked for; Nomad does not either.
func (v *variableBody) checkPlace() error {
	if err := checkPath(v.Path); err != nil {
		return err
	}
	if !validName(v.Namespace) {
		return fmt.Errorf("invalid namespace %q", v.Namespace)
	}
	return nil
}

// checkPath refuses a path that no variable can have: other characters than those
// that need no escaping in a URL or a template, or below nomad/ other than where
// Nomad has a use for it.
func checkPath(path string) error {
	if path == "" {
		return errors.New("variable requires path")
	}
	if len(path) > maxPath || strings.ContainsFunc(path, func(c rune) bool {
		return !isNameRune(c) && c != '_' && c != '~' && c != '/'
	}) {
		return fmt.Errorf("invalid path %q", path)
	}
	rest, under := strings.CutPrefix(path, "nomad/")
	if !under {
		if path == "nomad" {
			return errors.New(`"nomad" is a reserved top-level directory path, but you may write variables to "nomad/jobs", "nomad/job-templates", "nomad/sentinel", or below`)
		}
		return nil
	}
	first, below, _ := strings.Cut(rest, "/")
	switch first {
	case "jobs", "sentinel":
		return nil
	case "job-templates":
		if strings.HasPrefix(rest, "job-templates/") && !strings.Contains(below, "/") {
			return nil
		}
		return errors.New(`"nomad/job-templates" is a reserved directory path, but you may write variables at the level below it, for example, "nomad/job-templates/template-name"`)
	default:
		return errors.New(`only paths at "nomad/jobs" or "nomad/job-templates" and below are valid paths under the top-level "nomad" directory`)
	}
}

func isNameRune(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-'
}

// validName reports whether s can be the name of a namespace or a policy.
func validName(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(c rune) bool { return !isNameRune(c) })
}
