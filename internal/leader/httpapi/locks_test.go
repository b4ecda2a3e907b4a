package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/internal/leader/state"
)

func lockID(t *testing.T, a answer) string {
	t.Helper()
	var v struct{ Lock struct{ ID string } }
	a.json(t, &v)
	if v.Lock.ID == "" {
		t.Fatalf("no lock in %v", a)
	}
	return v.Lock.ID
}

func TestLocks(t *testing.T) {
	w := newWorld(t)
	free := obj{"Items": obj{"k": "v"}}
	w.must("PUT", "/v1/var/free", free)
	id := lockID(t, w.must("PUT", "/v1/var/l?lock-acquire", obj{"Items": obj{"a": "b"}, "Lock": obj{"TTL": "20s", "LockDelay": "1s"}}))
	mine := func(more ...string) obj {
		body := obj{"Lock": obj{"ID": id}}
		if len(more) > 0 {
			body["Items"] = obj{"x": more[0]}
		}
		return body
	}
	wrong := obj{"Lock": obj{"ID": "wrong"}}
	const lock, rpc = `"Lock":{"ID":"UUID","LockDelay":"1s","TTL":"20s"},`, "RPC Error:: 400,"
	short := rpc + "1 error occurred:\n\t* TTL must be between 10 seconds and 24 hours\n\n"
	w.steps(t, []step{
		{"GET /v1/var/l", nil, 200, meta(`"Items":{"a":"b"},`+lock, "default", "l")},
		{"PUT /v1/var/l", free, 409, none("l")},
		{"PUT /v1/var/l", obj{"Items": obj{"x": "y"}, "Lock": obj{"ID": "wrong"}}, 409, none("l")},
		{"DELETE /v1/var/l", nil, 409, none("l")},
		{"PUT /v1/var/l?cas=1", mine("z"), 409, meta(`"Items":{"a":"b"},`+lock, "default", "l")},
		{"PUT /v1/var/l?lock-acquire", obj{}, 409, none("l")},
		{"PUT /v1/var/l?lock-renew", mine(), 200, meta(lock, "default", "l")},
		{"PUT /v1/var/l?lock-renew", wrong, 409, "attempting to modify locked variable"},
		{"PUT /v1/var/l?lock-renew", obj{}, 500, "1 error occurred:\n\t* missing lock ID\n\n"},
		{"PUT /v1/var/free?lock-renew", wrong, 409, "variable doesn't hold a lock"},
		{"PUT /v1/var/none?lock-renew", wrong, 404, "variable doesn't exist"},
		{"PUT /v1/var/l?lock-release", wrong, 409, none("l")},
		{"PUT /v1/var/l?lock-release", obj{}, 400, rpc + "missing lock information"},
		{"PUT /v1/var/l?lock-release", mine("z"), 400, rpc + "lock release operation doesn't take variable items"},
		{"PUT /v1/var/none?lock-release", wrong, 500, "variable doesn't exist"},
		{"PUT /v1/var/free?lock-release", wrong, 500, "variable doesn't hold a lock"},
		{"PUT /v1/var/a%20b?lock-release", wrong, 400, `invalid path "a b"`},
		{"PUT /v1/var/l", mine("y"), 200, meta(`"Items":{"x":"y"},"Lock":{"ID":"UUID","LockDelay":"15s","TTL":"15s"},`, "default", "l")},
		{"PUT /v1/var/l?lock-release", mine(), 200, meta("", "default", "l")},
		{"GET /v1/var/l", nil, 200, meta(`"Items":{"x":"y"},`, "default", "l")},
		{"PUT /v1/var/n?lock-acquire", obj{}, 200, meta(`"Lock":{"ID":"UUID","LockDelay":"15s","TTL":"15s"},`, "default", "n")},
		{"PUT /v1/var/o?lock-acquire", `{"Lock":{"TTL":10000000000,"LockDelay":"1ms","ID":"mi\"ne"}}`, 200,
			meta(`"Lock":{"ID":"mi\"ne","LockDelay":"1ms","TTL":"10s"},`, "default", "o")},
		{"PUT /v1/var/m?lock-acquire", obj{"Lock": obj{"TTL": "1s"}}, 400, short},
		{"PUT /v1/var/m?lock-acquire", obj{"Lock": obj{"TTL": "25h"}}, 400, short},
		{"PUT /v1/var/m?lock-acquire", obj{"Lock": obj{"TTL": "-1s"}}, 400,
			rpc + "2 errors occurred:\n\t* Lock delay and TTL must be positive\n\t* TTL must be between 10 seconds and 24 hours\n\n"},
		{"PUT /v1/var/m?lock-acquire", obj{"Lock": obj{"TTL": "x"}}, 400, `time: invalid duration "x"`},
		{"PUT /v1/var/m?lock-acquire", obj{"Items": obj{"k": strings.Repeat("x", 65536)}}, 400, rpc + "variables are limited to 64KiB in total size"},
		{"PUT /v1/var/m?lock-acquire&namespace=*", obj{}, 400, rpc + "1 error occurred:\n\t* can not target wildcard (\"*\")namespace\n\n"},
		{"PUT /v1/var/m?lock-acquire&lock-renew", obj{}, 400, "multiple lock operations"},
		{"PUT /v1/var/m?lock-acquire&cas=1", obj{}, 400, "CAS can't be used with lock operations"},
	})
}

// TestLockOfAWorkload shows who sees a lock: its holder when it writes, and the
// operator.
func TestLockOfAWorkload(t *testing.T) {
	w := newWorld(t)
	token := w.start(state.Task{Job: "j", Group: "g", Task: "t"})
	w.policy("rw", `namespace "default" { variables { path "l" { capabilities = ["read", "write", "list"] } } }`, "default", "j")
	id := lockID(t, w.do(w.task, token, "PUT", "/v1/var/l?lock-acquire", obj{"Items": obj{"a": "b"}}))
	for path, want := range map[string]string{"/v1/var/l": meta(`"Items":{"a":"b"},`, "default", "l"), "/v1/vars": "[" + meta("", "default", "l") + "]"} {
		if a := w.do(w.task, token, "GET", path, nil); masked(a.body) != want {
			t.Errorf("%s: %v", path, masked(a.body))
		}
	}
	body := obj{"Lock": obj{"ID": id}}
	for _, op := range []string{"lock-renew", "lock-release"} {
		if a := w.do(w.task, token, "PUT", "/v1/var/l?"+op, body); a.status != 200 {
			t.Errorf("%s: %v", op, a)
		}
	}
	// Who may write but not read learns nothing from a refusal.
	w.policy("rw", `namespace "default" { variables { path "l" { capabilities = ["write"] } } }`, "default", "j")
	w.must("PUT", "/v1/var/l?lock-acquire", obj{"Items": obj{"a": "secret"}})
	for request, body := range map[string]any{"/v1/var/l?lock-release": body, "/v1/var/l?cas=0": obj{"Items": obj{"x": "y"}}} {
		a := w.do(w.task, token, "PUT", request, body)
		if a.status != 409 || strings.Contains(a.body, "secret") {
			t.Errorf("%s: %v", request, a)
		}
		var v map[string]json.RawMessage
		a.json(t, &v)
		if strings.HasSuffix(request, "release") && string(v["Lock"]) != `{"ID":"","LockDelay":"","TTL":""}` {
			t.Errorf("%s: %v", request, a)
		}
	}
}
