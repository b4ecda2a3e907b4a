//go:build unix

package test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// ledger holds what writes were acknowledged, and compares it with what is read.
// A write whose answer was lost may have been done or not, until a read tells.
type ledger struct {
	t        *testing.T
	w        *world
	acked    atomic.Int64
	unknown  atomic.Int64
	mu       sync.Mutex          // guards possible
	possible map[string][]string // what each key may hold; empty is absent
}

// kind is one kind of thing that the leader keeps, as a value under a key.
type kind struct {
	name string
	// read returns what the key holds, empty for nothing.
	read func(l *ledger, key string) (value string, o outcome)
	// write makes the key hold the value; empty takes it away.
	write func(l *ledger, key, value string) outcome
}

// outcome is what is known of a request.
type outcome int

const (
	lost    outcome = iota // the answer did not come
	notSent                // nobody was there
	done
)

// call sends a request over the leader's socket, as the operator. Any answer
// but 2xx and those of ok fails the test.
func (l *ledger) call(method, path, body string, ok ...int) (int, string, outcome) {
	status, text, err := askSocket(filepath.Join(l.w.dataDir, "leader.sock"), method, path, http.Header{}, body)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return 0, "", notSent
	case errors.Is(err, context.DeadlineExceeded):
		l.t.Errorf("%s %s hung: %v", method, path, err)
		return 0, "", lost
	case err != nil:
		return 0, "", lost
	case status/100 != 2 && !slices.Contains(ok, status):
		l.t.Errorf("%s %s: %d %s", method, path, status, text)
	}
	return status, text, done
}

// check reads a key, as often as it takes, and compares.
func (l *ledger) check(k kind, key string) {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if value, o := k.read(l, key); o == done {
			l.compare(key, value)
			return
		}
		if l.t.Failed() || time.Now().After(deadline) {
			l.t.Errorf("%s cannot be read any more", key)
			return
		}
	}
}

func (l *ledger) compare(key, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	may, known := l.possible[key]
	if !known {
		may = []string{""}
	}
	if !slices.Contains(may, value) {
		l.t.Errorf("%s holds %q, but acknowledged was one of %q", key, value, may)
	}
	l.possible[key] = []string{value}
}

// write writes a key and keeps what is known afterwards.
func (l *ledger) write(k kind, key, value string) {
	o := k.write(l, key, value)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch o {
	case done:
		l.acked.Add(1)
		l.possible[key] = []string{value}
	case lost:
		l.unknown.Add(1)
		if l.possible[key] == nil {
			l.possible[key] = []string{""}
		}
		l.possible[key] = append(l.possible[key], value)
	}
}

// churn checks and writes keys of one kind until ctx ends. Now and then it takes
// one away.
func (l *ledger) churn(ctx context.Context, k kind, keys int) {
	for n := 0; ctx.Err() == nil && !l.t.Failed(); n++ {
		key := fmt.Sprintf("%s-%d", k.name, n%keys)
		l.check(k, key)
		value := fmt.Sprint(n)
		if rand.IntN(5) == 0 {
			value = ""
		}
		l.write(k, key, value)
	}
}

// keys returns all that was written, or may have been.
func (l *ledger) keys() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var keys []string
	for key := range l.possible {
		keys = append(keys, key)
	}
	return keys
}
