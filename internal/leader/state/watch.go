package state

import (
	"strings"
	"sync"
)

// Table names what an index and a watch are about.
type Table uint8

// The tables of the store.
const (
	TableVariables Table = iota
	TableServices
	TableTasks
	TableNamespaces
	TablePolicies
	TableTokens
	TableKeys // the keyring's; see Touch
	tableCount
)

var tableNames = [tableCount]string{"variables", "services", "tasks", "namespaces", "policies", "tokens", "keys"}

// String returns the name of the table.
func (t Table) String() string {
	if t < tableCount {
		return tableNames[t]
	}
	return "unknown"
}

// Watcher waits for one change. It does not last: after it has fired, watch anew.
type Watcher struct {
	// C is closed at the first change after Watch.
	C <-chan struct{}

	c      chan struct{}
	key    string
	prefix bool
	table  *tableWatchers
}

// Stop ends the wait. It has to be called, also after C was closed.
func (w *Watcher) Stop() {
	w.table.mu.Lock()
	delete(w.table.waiting, w)
	w.table.mu.Unlock()
}

// tableWatchers are those who wait for a change of one table. A write looks at
// each of them: they are as many as there are blocked requests.
type tableWatchers struct {
	mu      sync.Mutex // guards waiting
	waiting map[*Watcher]struct{}
}

func (t *tableWatchers) watch(key string, prefix bool) *Watcher {
	c := make(chan struct{})
	w := &Watcher{C: c, c: c, key: key, prefix: prefix, table: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting == nil {
		t.waiting = make(map[*Watcher]struct{})
	}
	t.waiting[w] = struct{}{}
	return w
}

func (t *tableWatchers) notify(keys []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for w := range t.waiting {
		for _, key := range keys {
			if w.key == key || w.prefix && strings.HasPrefix(key, w.key) {
				close(w.c)
				delete(t.waiting, w)
				break
			}
		}
	}
}

// Watch waits for a change of any key of the table that begins with prefix; the
// empty prefix means every key. Keys are made with Key.
func (s *Store) Watch(table Table, prefix string) *Watcher {
	return s.watchers[table].watch(prefix, true)
}

// WatchOne waits for a change of one key of the table.
func (s *Store) WatchOne(table Table, key string) *Watcher {
	return s.watchers[table].watch(key, false)
}

// Key joins the parts of a key of variables (namespace, path) or services
// (namespace, name). Other tables have the name or id itself as key.
func Key(namespace, name string) string { return namespace + "\x00" + name }
