package httpapi_test

import (
	"strings"
	"testing"

	"github.com/taskagent/taskagent/internal/leader/state"
)

// TestFailuresAreNotExplainedToTasks closes the store under the API.
func TestFailuresAreNotExplainedToTasks(t *testing.T) {
	w := newWorld(t)
	token := w.start(state.Task{Job: "example", Group: "cache", Task: "redis"})
	w.store.Close()
	if a := w.do(w.task, token, "GET", "/v1/var/nomad/jobs/example", nil); a.status != 500 || a.body != "internal error; the leader's log has the cause" {
		t.Errorf("task door: %v", a)
	}
	if a := w.as("GET", "/v1/var/a", nil); a.status != 500 || a.body != "the store is closed" {
		t.Errorf("operators' door: %v", a)
	}
	for _, request := range []string{"PUT /v1/var/a", "DELETE /v1/var/a", "PUT /v1/acl/policy/p", "PUT /v1/acl/token", "PUT /v1/namespace/p"} {
		method, path, _ := strings.Cut(request, " ")
		body := obj{"Name": "p", "Type": "management", "Items": obj{"k": "v"}}
		if a := w.as(method, path, body); a.status != 500 {
			t.Errorf("%s: %v", request, a)
		}
	}
}
