package renew

import (
	"maps"
	"slices"

	"github.com/taskagent/taskagent/identity"
)

// Update is what a watcher is told: tokens that changed together.
type Update struct {
	// Tokens holds the newest token of every identity watched that has one.
	Tokens map[string]identity.Token
	// Changed names those that are new since the Update received before, in
	// alphabetical order.
	Changed []string
}

// Watcher receives Updates. Any number of them work independently.
type Watcher struct {
	r     *Renewer
	names map[string]bool
	c     chan Update
}

// Watch returns a Watcher of the identities named, of all without a name. Its
// first Update is what there is now, if there is anything.
func (r *Renewer) Watch(names ...string) *Watcher {
	if len(names) == 0 {
		names = r.cfg.Names
	}
	w := &Watcher{r: r, names: make(map[string]bool), c: make(chan Update, 1)}
	for _, name := range names {
		w.names[name] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	w.send(names)
	if r.ended {
		close(w.c)
	} else {
		r.watchers[w] = true
	}
	return w
}

// C delivers the Updates. One that was not received yet is merged into the next,
// so a slow receiver gets the newest tokens and misses no change. C is closed when
// Run ends or Stop is called.
func (w *Watcher) C() <-chan Update { return w.c }

// Stop ends the Watcher. It may be called again.
func (w *Watcher) Stop() {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	if w.r.watchers[w] {
		delete(w.r.watchers, w)
		close(w.c)
	}
}

// deliver tells every watcher what changed. r.mu is held.
func (r *Renewer) deliver(changed []string) {
	for w := range r.watchers {
		w.send(changed)
	}
}

// send puts an Update into the channel, if something of the watcher's changed.
// r.mu is held, so nobody else sends.
func (w *Watcher) send(changed []string) {
	tokens := w.r.tokens(w.names)
	news := make(map[string]bool)
	for _, name := range changed {
		if _, ok := tokens[name]; ok {
			news[name] = true
		}
	}
	if len(news) == 0 {
		return
	}
	select {
	case missed := <-w.c:
		for _, name := range missed.Changed {
			news[name] = true
		}
	default:
	}
	w.c <- Update{Tokens: tokens, Changed: slices.Sorted(maps.Keys(news))}
}
