package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskagent/taskagent/internal/leader/httpapi"
	"github.com/taskagent/taskagent/internal/leader/state"
)

// TestImplicitPolicy: a workload reads its own four paths, and nothing beside.
func TestImplicitPolicy(t *testing.T) {
	w := newWorld(t)
	token := w.start(state.Task{Job: "example", Group: "cache", Task: "redis"})
	readable := []string{"nomad/jobs", "nomad/jobs/example", "nomad/jobs/example/cache", "nomad/jobs/example/cache/redis"}
	others := []string{"app/config", "nomad/jobs/example2", "nomad/jobs/other", "nomad/jobs/example/web", "nomad/jobs/example/cache/sidecar", "nomad/jobs/example/cache/redis/deep"}
	for _, ns := range []string{"default", "shared"} {
		for _, path := range append(others, readable...) {
			w.must("PUT", "/v1/var/"+path+"?namespace="+ns, obj{"Items": obj{"k": "v"}})
		}
	}
	for _, path := range append(others, readable...) {
		want := 403
		for _, r := range readable {
			if r == path {
				want = 200
			}
		}
		if a := w.do(w.task, token, "GET", "/v1/var/"+path, nil); a.status != want {
			t.Errorf("%s: %v", path, a)
		}
		for _, request := range []string{"GET /v1/var/" + path + "?namespace=shared", "PUT /v1/var/" + path, "DELETE /v1/var/" + path} {
			method, path, _ := strings.Cut(request, " ")
			if a := w.do(w.task, token, method, path, obj{"Items": obj{"k": "v"}}); a.status != 403 {
				t.Errorf("%s: %v", request, a)
			}
		}
	}
	for query, want := range map[string]int{"": 4, "?prefix=nomad/jobs/example": 3, "?prefix=app": 0, "?namespace=shared": 0, "?namespace=*": 4} {
		var list []struct{ Path string }
		w.do(w.task, token, "GET", "/v1/vars"+query, nil).json(t, &list)
		if len(list) != want {
			t.Errorf("list%s: %v", query, list)
		}
	}
}

// TestAttachment: a policy reaches the workloads it is attached to, at once, and
// leaves them at once.
func TestAttachment(t *testing.T) {
	w := newWorld(t)
	w.must("PUT", "/v1/var/team/db", obj{"Items": obj{"dsn": "x"}})
	tokens := map[string]string{
		"redis":   w.start(state.Task{AllocID: "a", Job: "example", Group: "cache", Task: "redis"}),
		"sidecar": w.start(state.Task{AllocID: "a", Job: "example", Group: "cache", Task: "sidecar"}),
		"front":   w.start(state.Task{Job: "example", Group: "web", Task: "front"}),
		"other":   w.start(state.Task{Job: "other", Group: "cache", Task: "redis"}),
		"ns":      w.start(state.Task{Namespace: "shared", Job: "example", Group: "cache", Task: "redis"}),
	}
	const rules = `namespace "default" { variables { path "team/*" { capabilities = ["read"] } } }`
	for _, tt := range []struct {
		attach []string
		reach  string
	}{
		{[]string{"default", "example", "cache", "redis"}, "redis"},
		{[]string{"default", "example", "cache"}, "redis sidecar"},
		{[]string{"default", "example"}, "front redis sidecar"},
		{[]string{"default"}, "front other redis sidecar"},
		{[]string{"shared"}, "ns"},
		{[]string{""}, ""},
		{nil, ""},
	} {
		w.policy("p", rules, tt.attach...)
		reached := map[string]bool{}
		for name, token := range tokens {
			reached[name] = w.do(w.task, token, "GET", "/v1/var/team/db", nil).status == 200
			var own []struct{ Name string }
			w.do(w.task, token, "GET", "/v1/acl/policies", nil).json(t, &own)
			if (len(own) == 1) != reached[name] {
				t.Errorf("attached to %v: %s sees %v", tt.attach, name, own)
			}
			self := w.do(w.task, token, "GET", "/v1/acl/policy/self", nil)
			if (self.body != "null") != reached[name] {
				t.Errorf("attached to %v: %s sees of its own %v", tt.attach, name, self)
			}
			if a := w.do(w.task, token, "GET", "/v1/acl/policy/p", nil); (a.status == 200) != reached[name] {
				t.Errorf("attached to %v: %s reads it: %v", tt.attach, name, a)
			}
		}
		for name := range tokens {
			if want := strings.Contains(" "+tt.reach+" ", " "+name+" "); reached[name] != want {
				t.Errorf("attached to %v: %s reached %t", tt.attach, name, reached[name])
			}
		}
	}
	w.policy("p", rules, "default")
	w.must("DELETE", "/v1/acl/policy/p", nil)
	if a := w.do(w.task, tokens["redis"], "GET", "/v1/var/team/db", nil); a.status != 403 {
		t.Errorf("after the policy was deleted: %v", a)
	}
}

// TestWritesLeaveTheImplicitPolicyOut: a glob that lets a workload write reaches its
// own paths too, which it otherwise only reads.
func TestWritesLeaveTheImplicitPolicyOut(t *testing.T) {
	w := newWorld(t)
	token := w.start(state.Task{Job: "example", Group: "cache", Task: "redis"})
	w.policy("p", `namespace "default" { variables { path "*" { capabilities = ["write"] } } }`, "default", "example")
	if a := w.do(w.task, token, "PUT", "/v1/var/nomad/jobs/example", obj{"Items": obj{"by": "redis"}}); a.status != 200 {
		t.Errorf("write: %v", a)
	}
	if a := w.do(w.task, token, "GET", "/v1/var/nomad/jobs/example", nil); a.status != 200 {
		t.Errorf("read: %v", a)
	}
	a := w.do(w.task, token, "PUT", "/v1/var/nomad/jobs/example?cas=1", obj{"Items": obj{"by": "redis"}})
	if a.status != 409 || strings.Contains(a.body, "Items") {
		t.Errorf("conflict: %v", a)
	}
}

func TestPolicies(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("d", 257)
	put := func(name string, more obj) obj {
		body := obj{"Name": name, "Rules": ""}
		for k, v := range more {
			body[k] = v
		}
		return body
	}
	invalid := func(text string) string {
		return "policy 0 invalid: 1 error occurred:\n\t* " + text + "\n\n"
	}
	w.steps(t, []step{
		{"GET /v1/acl/policies", nil, 200, "[]"},
		{"PUT /v1/acl/policy/p", put("p", obj{"Description": "d", "Rules": `namespace "x" { variables { path "*" { capabilities = ["read"] } } }`, "JobACL": obj{"Namespace": "default"}}), 200, ""},
		{"POST /v1/acl/policy/q", put("q", nil), 200, ""},
		{"PUT /v1/acl/policy/q", put("p", nil), 400, "ACL policy name does not match request path"},
		{"PUT /v1/acl/policy/q", nil, 400, "Request body is empty"},
		{"PUT /v1/acl/policy/a%20b", put("a b", nil), 400, invalid("invalid name 'a b'")},
		{"PUT /v1/acl/policy/q", put("q", obj{"Description": long}), 400, invalid("description longer than 256")},
		{"PUT /v1/acl/policy/q", put("q", obj{"JobACL": obj{"JobID": "j"}}), 400, invalid("namespace must be set to set job ID")},
		{"PUT /v1/acl/policy/q", put("q", obj{"JobACL": obj{"Task": "t", "Group": "g"}}), 400, invalid("job ID must be set to set group")},
		{"PUT /v1/acl/policy/q", put("q", obj{"JobACL": obj{"Task": "t"}}), 400, invalid("group must be set to set task")},
		{"GET /v1/acl/policy/none", nil, 404, "ACL policy not found"},
		{"GET /v1/acl/policy/", nil, 400, "Missing Policy Name"},
		{"PATCH /v1/acl/policy/q", nil, 405, "Invalid method"},
		{"PUT /v1/acl/policy/self", put("self", nil), 405, "Invalid method"},
		{"DELETE /v1/acl/policy/none", nil, 200, ""},
		{"DELETE /v1/acl/policy/q", nil, 200, ""},
	})
	if a := w.as("PUT", "/v1/acl/policy/q", put("q", obj{"Rules": "nonsense"})); a.status != 400 || !strings.HasPrefix(a.body, "policy 0 invalid: 1 error occurred:\n\t* failed to parse rules: ") {
		t.Errorf("bad rules: %v", a)
	}
	var p map[string]any
	w.as("GET", "/v1/acl/policy/p", nil).json(t, &p)
	rules := p["RulesJSON"].(map[string]any)
	if p["Description"] != "d" || p["Hash"] == nil || rules["Agent"] != nil || rules["ExtraKeysHCL"] != nil || rules["Raw"] != p["Rules"] {
		t.Errorf("policy: %v", p)
	}
	if got := fmt.Sprint(rules["Namespaces"]); got != "[map[Capabilities:<nil> Name:x Policy: Variables:map[Paths:[map[Capabilities:[read list] PathSpec:*]]]]]" {
		t.Errorf("rules: %s", got)
	}
	for query, want := range map[string]int{"": 1, "?prefix=p": 1, "?prefix=q": 0} {
		var list []map[string]any
		w.as("GET", "/v1/acl/policies"+query, nil).json(t, &list)
		if len(list) != want {
			t.Errorf("list%s: %v", query, list)
		}
	}
}

func TestAnonymousPolicy(t *testing.T) {
	w := newWorld(t)
	w.must("PUT", "/v1/var/p/1", obj{"Items": obj{"k": "v"}})
	if a := w.do(w.http, "", "GET", "/v1/var/p/1", nil); a.status != 403 {
		t.Errorf("before: %v", a)
	}
	w.policy("anonymous", `namespace "default" { variables { path "p/*" { capabilities = ["read"] } } }`)
	if a := w.do(w.http, "", "GET", "/v1/var/p/1", nil); a.status != 200 {
		t.Errorf("with the policy: %v", a)
	}
	if a := w.do(w.http, "", "GET", "/v1/acl/policy/anonymous", nil); a.status != 200 {
		t.Errorf("the policy itself: %v", a)
	}
	if a := w.do(w.task, "", "GET", "/v1/var/p/1", nil); a.status != 401 {
		t.Errorf("task door: %v", a)
	}
	if a := w.do(w.http, "not-a-token", "GET", "/v1/var/p/1", nil); a.status != 403 {
		t.Errorf("a bad token is not no token: %v", a)
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	w.policy("p1", `namespace "default" { policy = "read" }`)
	type made struct{ AccessorID, SecretID string }
	var ci, worker made
	w.must("PUT", "/v1/acl/token", obj{"Name": "ci", "Type": "client", "Policies": []string{"p1"}}).json(t, &ci)
	w.must("PUT", "/v1/acl/token", obj{"Name": "worker", "Type": "client", "Policies": []string{"p1"}, "ExpirationTTL": "1h"}).json(t, &worker)
	invalid := func(problems ...string) string {
		noun := "error"
		if len(problems) > 1 {
			noun = "errors"
		}
		return fmt.Sprintf("token 0 invalid: %d %s occurred:\n\t* %s\n\n", len(problems), noun, strings.Join(problems, "\n\t* "))
	}
	client := func(more obj) obj {
		body := obj{"Type": "client", "Policies": []string{"p1"}}
		for k, v := range more {
			body[k] = v
		}
		return body
	}
	const lookup = "acl token lookup failed: index error: UUID must be 36 characters"
	const absent = "11111111-1111-1111-1111-111111111111"
	w.steps(t, []step{
		{"PUT /v1/acl/token", obj{"Type": "client"}, 400, invalid("client token missing policies or roles")},
		{"PUT /v1/acl/token", obj{"Type": "management", "Policies": []string{"p"}}, 400, invalid("management token cannot be associated with policies or roles")},
		{"PUT /v1/acl/token", obj{"Type": "weird", "Name": strings.Repeat("x", 257)}, 400, invalid("token name too long", "token type must be client or management")},
		{"PUT /v1/acl/token", client(obj{"ExpirationTTL": "30s"}), 400, invalid("expiration time cannot be less than 1m0s in the future (was 30s)")},
		{"PUT /v1/acl/token", client(obj{"ExpirationTTL": "25h"}), 400, invalid("expiration time cannot be more than 24h0m0s in the future (was 25h0m0s)")},
		{"PUT /v1/acl/token", client(obj{"ExpirationTTL": "-1h"}), 400, invalid("token expiration TTL '-1h0m0s' should not be negative",
			"expiration time cannot be before create time", "expiration time cannot be less than 1m0s in the future (was -1h0m0s)")},
		{"PUT /v1/acl/token", client(obj{"ExpirationTTL": "x"}), 400, `time: invalid duration "x"`},
		{"PUT /v1/acl/token", client(obj{"Roles": []obj{{"Name": "r"}}}), 400, "cannot find role r"},
		{"PUT /v1/acl/token", client(obj{"AccessorID": "x"}), 500, "token lookup failed: " + lookup},
		{"PUT /v1/acl/token", client(obj{"AccessorID": absent}), 400, "cannot find token UUID"},
		{"PUT /v1/acl/token", obj{"AccessorID": absent, "SecretID": absent, "Type": "management"}, 400, "cannot find token UUID"},
		{"PUT /v1/acl/token", client(obj{"AccessorID": absent, "SecretID": w.mgmt}), 400, "the secret is that of another token"},
		{"PUT /v1/acl/token", nil, 400, "Request body is empty"},
		{"GET /v1/acl/token", nil, 405, "Invalid method"},
		{"PUT /v1/acl/token/self", obj{}, 405, "Invalid method"},
		{"GET /v1/acl/token/", nil, 400, "Missing Token Accessor"},
		{"GET /v1/acl/token/x", nil, 500, lookup},
		{"GET /v1/acl/token/" + absent, nil, 404, "ACL token not found"},
		{"DELETE /v1/acl/token/x", nil, 400, "token lookup failed: " + lookup},
		{"DELETE /v1/acl/token/" + absent, nil, 400, "Cannot delete nonexistent tokens: UUID"},
		{"POST /v1/acl/token/" + ci.AccessorID, client(obj{"AccessorID": absent}), 400, "ACL token accessor does not match request path"},
		{"POST /v1/acl/token/" + ci.AccessorID, client(obj{"AccessorID": ci.AccessorID, "Global": true}), 400, invalid("cannot toggle global mode")},
		{"POST /v1/acl/token/" + ci.AccessorID, client(obj{"AccessorID": ci.AccessorID, "ExpirationTTL": "1h"}), 400, invalid("cannot update expiration TTL")},
		{"POST /v1/acl/token/" + worker.AccessorID, client(obj{"AccessorID": worker.AccessorID}), 400, invalid("cannot update expiration TTL")},
		{"POST /v1/acl/token/" + worker.AccessorID, client(obj{"AccessorID": worker.AccessorID, "ExpirationTTL": "1h", "ExpirationTime": "2099-01-01T00:00:00Z"}), 400,
			invalid("cannot update expiration time")},
	})

	var updated struct {
		Name, SecretID, ExpirationTTL string
		ExpirationTime                *time.Time
		Policies                      []string
	}
	w.must("POST", "/v1/acl/token/"+worker.AccessorID, client(obj{"AccessorID": worker.AccessorID, "Name": "renamed", "ExpirationTTL": "1h", "Policies": []string{"a", "b"}})).json(t, &updated)
	if updated.Name != "renamed" || updated.SecretID != worker.SecretID || updated.ExpirationTTL != "1h0m0s" || updated.ExpirationTime == nil || len(updated.Policies) != 2 {
		t.Errorf("updated: %+v", updated)
	}

	// A token sees itself and no other.
	for path, want := range map[string]int{"/v1/acl/token/self": 200, "/v1/acl/token/" + ci.AccessorID: 200, "/v1/acl/token/" + worker.AccessorID: 403,
		"/v1/acl/token/" + absent: 403, "/v1/acl/tokens": 403, "/v1/acl/policy/p1": 200, "/v1/acl/policy/p2": 403} {
		if a := w.do(w.task, ci.SecretID, "GET", path, nil); a.status != want {
			t.Errorf("%s: %v", path, a)
		}
	}
	if a := w.do(w.task, ci.SecretID, "DELETE", "/v1/acl/token/"+ci.AccessorID, nil); a.status != 403 {
		t.Errorf("deleting itself: %v", a)
	}

	// It is refused from the moment it is deleted.
	w.must("DELETE", "/v1/acl/token/"+ci.AccessorID, nil)
	if a := w.do(w.task, ci.SecretID, "GET", "/v1/vars", nil); a.status != 403 || a.body != "Forbidden" {
		t.Errorf("after it was deleted: %v", a)
	}
	if a := w.do(w.http, ci.SecretID, "GET", "/v1/vars", nil); a.status != 403 || a.body != "Permission denied" {
		t.Errorf("after it was deleted, at the operators' door: %v", a)
	}
}

func TestTokenLists(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.must("PUT", "/v1/acl/token", obj{"AccessorID": fmt.Sprintf("2222222%d-2222-2222-2222-222222222222", i), "SecretID": state.NewID(),
			"Name": fmt.Sprint("t", i), "Type": "client", "Policies": []string{"p"}})
	}
	for query, want := range map[string]string{
		"":              "Bootstrap Token, t0, t1, t2",
		"?reverse=true": "t2, t1, t0, Bootstrap Token",
		"?prefix=2222":  "t0, t1, t2",
		"?prefix=zz":    "",
		"?prefix=2222&per_page=1&next_token=22222221-2222-2222-2222-222222222222": "t1 next 22222222-2222-2222-2222-222222222222",
		"?filter=Type+%3D%3D+%22management%22":                                    "Bootstrap Token",
		"?filter=Name+matches+%22%5Et%22&prefix=2222&per_page=2":                  "t0, t1 next 22222222-2222-2222-2222-222222222222",
		"?filter=SecretID+is+empty&prefix=22222220":                               "t0",
	} {
		a := w.as("GET", "/v1/acl/tokens"+query, nil)
		var list []struct{ Name string }
		a.json(t, &list)
		var names []string
		for _, tok := range list {
			names = append(names, tok.Name)
		}
		got := strings.Join(names, ", ")
		if next := a.header.Get("X-Nomad-NextToken"); next != "" {
			got += " next " + next
		}
		if got != want || strings.Contains(a.body, "SecretID") {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	var all []string
	next := ""
	for range 5 {
		a := w.as("GET", "/v1/acl/tokens?per_page=1&next_token="+next, nil)
		var list []struct{ Name string }
		a.json(t, &list)
		for _, tok := range list {
			all = append(all, tok.Name)
		}
		if next = a.header.Get("X-Nomad-NextToken"); next == "" {
			break
		}
	}
	if got := strings.Join(all, ", "); got != "Bootstrap Token, t0, t1, t2" {
		t.Errorf("page by page: %s", got)
	}
}

func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.store.Close()
		var tok struct{ SecretID string }
		w.must("PUT", "/v1/acl/token", obj{"Type": "client", "Policies": []string{"p"}, "ExpirationTTL": "1m"}).json(t, &tok)
		time.Sleep(time.Minute - time.Nanosecond)
		if a := w.do(w.task, tok.SecretID, "GET", "/v1/vars", nil); a.status != 200 {
			t.Errorf("before: %v", a)
		}
		time.Sleep(time.Nanosecond)
		if a := w.do(w.task, tok.SecretID, "GET", "/v1/vars", nil); a.status != 403 {
			t.Errorf("after: %v", a)
		}
	})
}

func TestBootstrap(t *testing.T) {
	closed := newWorld(t)
	for _, body := range []any{nil, obj{}, obj{"BootstrapSecret": state.NewID()}} {
		if a := closed.do(closed.http, "", "PUT", "/v1/acl/bootstrap", body); a.status != 400 || a.body != "ACL bootstrap already done (reset index: 1)" {
			t.Errorf("%v: %v", body, a)
		}
	}
	if a := closed.do(closed.http, "", "PUT", "/v1/acl/bootstrap", "{"); a.status != 400 || a.body != "failed to decode request body: unexpected EOF" {
		t.Errorf("got %v", a)
	}

	w := newWorld(t, func(c *httpapi.Config) { c.OpenBootstrap = true })
	if a := w.do(w.http, "", "PUT", "/v1/acl/bootstrap", obj{"BootstrapSecret": "x"}); a.status != 400 || a.body != "invalid acl token" {
		t.Errorf("a bad secret: %v", a)
	}
	a := w.do(w.http, "", "POST", "/v1/acl/bootstrap", obj{"BootstrapSecret": "33333333-3333-3333-3333-333333333333"})
	var tok struct{ SecretID, Type, Name string }
	a.json(t, &tok)
	if a.status != 200 || tok.SecretID != "33333333-3333-3333-3333-333333333333" || tok.Type != "management" || tok.Name != "Bootstrap Token" {
		t.Errorf("got %v", a)
	}
	if a := w.do(w.http, tok.SecretID, "GET", "/v1/acl/tokens", nil); a.status != 200 {
		t.Errorf("its token: %v", a)
	}
	if a := w.do(w.http, "", "PUT", "/v1/acl/bootstrap", nil); a.status != 400 || !strings.HasPrefix(a.body, "ACL bootstrap already done (reset index: ") {
		t.Errorf("again: %v", a)
	}
}

// TestServiceIdentity: a service's identity has no task, and is good as long as
// the service is.
func TestServiceIdentity(t *testing.T) {
	w := newWorld(t)
	w.start(state.Task{AllocID: "a", Job: "example", Group: "cache", Task: "redis", Services: services("cache", 1)})
	token := w.sign(claimsOfService("a", "example", "cache", "cache"))
	w.must("PUT", "/v1/var/nomad/jobs/example/cache", obj{"Items": obj{"k": "v"}})
	w.must("PUT", "/v1/var/nomad/jobs/example/cache/redis", obj{"Items": obj{"k": "v"}})
	for path, want := range map[string]int{"nomad/jobs/example/cache": 200, "nomad/jobs/example/cache/redis": 403} {
		if a := w.do(w.task, token, "GET", "/v1/var/"+path, nil); a.status != want {
			t.Errorf("%s: %v", path, a)
		}
	}
	w.policy("task", `namespace "default" { variables { path "x" { capabilities = ["read"] } } }`, "default", "example", "cache", "redis")
	w.policy("group", `namespace "default" { variables { path "y" { capabilities = ["read"] } } }`, "default", "example", "cache")
	for path, want := range map[string]int{"x": 403, "y": 404} {
		if a := w.do(w.task, token, "GET", "/v1/var/"+path, nil); a.status != want {
			t.Errorf("%s: %v", path, a)
		}
	}
	if err := w.store.EndTask("a", "redis"); err != nil {
		t.Fatal(err)
	}
	if a := w.do(w.task, token, "GET", "/v1/vars", nil); a.status != 403 || a.body != "Forbidden" {
		t.Errorf("after its task ended: %v", a)
	}
}
