package httpapi_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskagent/taskagent/internal/leader/state"
)

// blocked is a request on its way.
type blocked struct {
	done   chan answer
	cancel context.CancelFunc
	began  time.Time
}

// block sends a read of the path that waits for something newer than the index the
// answer has now.
func (w *world) block(token, path, more string) *blocked {
	w.t.Helper()
	h := w.task
	if token == w.mgmt {
		h = w.http
	}
	index := w.do(h, token, "GET", path, nil).header.Get("X-Nomad-Index")
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := request("GET", path+sep+"index="+index+more, nil).WithContext(ctx)
	r.Header.Set("X-Nomad-Token", token)
	b := &blocked{done: make(chan answer, 1), cancel: cancel, began: time.Now()}
	go func() {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		b.done <- answer{rec.Code, rec.Body.String(), rec.Header()}
	}()
	synctest.Wait()
	return b
}

// answered reports whether the answer is there.
func (b *blocked) answered() bool {
	synctest.Wait()
	return len(b.done) == 1
}

func TestBlocking(t *testing.T) {
	put := func(path, value string) func(*world) {
		return func(w *world) { w.must("PUT", "/v1/var/"+path, obj{"Items": obj{"k": value}}) }
	}
	for _, tt := range []struct {
		name, path   string
		beside, wake func(*world)
		want         string // in the answer
	}{
		{"variable", "/v1/var/a", put("b", "1"), put("a", "2"), `"k":"2"`},
		{"variable deleted", "/v1/var/a", put("b", "1"), func(w *world) { w.must("DELETE", "/v1/var/a", nil) }, "variable not found"},
		{"missing variable", "/v1/var/new", put("b", "1"), put("new", "2"), `"k":"2"`},
		{"list", "/v1/vars?prefix=p/", put("b", "1"), put("p/1", "2"), `"Path":"p/1"`},
		{"list of all namespaces", "/v1/vars?namespace=*", func(w *world) { w.policy("x", "") }, put("b?namespace=other", "2"), `"Namespace":"other"`},
		{"service", "/v1/service/api", func(w *world) { w.start(state.Task{Job: "j", Group: "g", Task: "t", Services: services("web", 1)}) },
			func(w *world) { w.start(state.Task{Job: "j", Group: "g", Task: "t", Services: services("api", 2)}) }, `"Port":2`},
		{"services", "/v1/services", put("b", "1"),
			func(w *world) { w.start(state.Task{Job: "j", Group: "g", Task: "t", Services: services("api", 2)}) }, `"ServiceName":"api"`},
		{"policies", "/v1/acl/policies", put("b", "1"), func(w *world) { w.policy("x", "") }, `"Name":"x"`},
		{"policy", "/v1/acl/policy/x", put("b", "1"), func(w *world) { w.policy("x", "") }, `"Name":"x"`},
		{"tokens", "/v1/acl/tokens", put("b", "1"), func(w *world) { w.must("PUT", "/v1/acl/token", obj{"Type": "management", "Name": "n"}) }, `"Name":"n"`},
		{"namespaces", "/v1/namespaces", put("b", "1"), func(w *world) { w.must("PUT", "/v1/namespace", obj{"Name": "n"}) }, `"Name":"n"`},
		{"namespace", "/v1/namespace/n", put("b", "1"), func(w *world) { w.must("PUT", "/v1/namespace", obj{"Name": "n"}) }, `"Name":"n"`},
		{"keys", "/v1/operator/keyring/keys", put("b", "1"), func(w *world) { w.must("PUT", "/v1/operator/keyring/rotate", nil) }, `"State":"inactive"`},
		{"published keys", "/.well-known/jwks.json", put("b", "1"), func(w *world) { w.must("PUT", "/v1/operator/keyring/rotate", nil) }, `},{"use":"sig"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.store.Close()
				put("a", "1")(w)
				b := w.block(w.mgmt, tt.path, "")
				if b.answered() {
					t.Fatalf("it does not block: %v", <-b.done)
				}
				time.Sleep(time.Second)
				if tt.beside(w); b.answered() {
					t.Fatalf("a change elsewhere wakes it: %v", <-b.done)
				}
				time.Sleep(time.Second)
				tt.wake(w)
				if a := <-b.done; !strings.Contains(a.body, tt.want) {
					t.Errorf("got %v", a)
				}
				if took := time.Since(b.began); took != 2*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestBlockingEnds(t *testing.T) {
	for _, tt := range []struct {
		name, more string
		least      time.Duration
		end        func(*world, *blocked)
		status     int
	}{
		{"when the time is over", "&wait=10s", 10 * time.Second, nil, 200},
		{"without a time", "", 5 * time.Minute, nil, 200},
		{"with too long a time", "&wait=10h", 5 * time.Minute, nil, 200},
		{"with no time at all", "&wait=0s", 5 * time.Minute, nil, 200},
		{"with the client", "", 0, func(_ *world, b *blocked) { b.cancel() }, 503},
		{"with the server", "", 0, func(w *world, _ *blocked) { close(w.done) }, 200},
		{"with the server, which cancels requests", "", 0, func(w *world, b *blocked) { close(w.done); b.cancel() }, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.store.Close()
				w.must("PUT", "/v1/var/a", obj{"Items": obj{"k": "v"}})
				b := w.block(w.mgmt, "/v1/var/a", tt.more)
				if tt.end != nil {
					tt.end(w, b)
				}
				a := <-b.done
				if took := time.Since(b.began); took < tt.least || took > tt.least+tt.least/16 {
					t.Errorf("it took %v", took)
				}
				if a.status != tt.status || strings.Contains(a.body, `"k":"v"`) != (tt.status == 200) {
					t.Errorf("got %v", a)
				}
			})
		})
	}
}

func TestIndexThatIsOver(t *testing.T) {
	w := newWorld(t)
	w.must("PUT", "/v1/var/a", obj{"Items": obj{"k": "v"}})
	for _, index := range []string{"0", "1"} {
		if a := w.as("GET", "/v1/var/a?index="+index, nil); a.status != 200 {
			t.Errorf("index %s: %v", index, a)
		}
	}
}

// TestBlockedRequestsLoseTheirRight: what is revoked is refused at once, also to
// those who were let in before.
func TestBlockedRequestsLoseTheirRight(t *testing.T) {
	for name, revoke := range map[string]func(*world){
		"policy": func(w *world) { w.policy("p", "", "default", "j") },
		"task":   func(w *world) { w.store.EndTask("alloc", "t") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.store.Close()
				w.must("PUT", "/v1/var/a", obj{"Items": obj{"k": "old"}})
				token := w.start(state.Task{AllocID: "alloc", Job: "j", Group: "g", Task: "t"})
				w.policy("p", `namespace "default" { variables { path "a" { capabilities = ["read"] } } }`, "default", "j")
				b := w.block(token, "/v1/var/a", "")
				revoke(w)
				w.must("PUT", "/v1/var/a", obj{"Items": obj{"k": "new"}})
				if a := <-b.done; a.status != 403 || strings.Contains(a.body, "new") {
					t.Errorf("got %v", a)
				}
			})
		})
	}
}

// TestNoUpdateIsMissed: a client that always waits for more than it has seen sees
// the last value, however writes fall between its requests.
func TestNoUpdateIsMissed(t *testing.T) {
	w := newWorld(t)
	const last = 100
	go func() {
		for i := range last + 1 {
			w.do(w.http, w.mgmt, "PUT", "/v1/var/a", obj{"Items": obj{"k": fmt.Sprint(i)}})
		}
	}()
	index := "0"
	for {
		a := w.as("GET", "/v1/var/a?wait=30s&index="+index, nil)
		if strings.Contains(a.body, fmt.Sprintf(`"k":"%d"`, last)) {
			return
		}
		if now := a.header.Get("X-Nomad-Index"); now == index {
			t.Fatalf("woken without news: %v", a)
		} else {
			index = now
		}
	}
}
