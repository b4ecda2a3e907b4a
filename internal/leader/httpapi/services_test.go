package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/internal/leader/state"
	"github.com/taskagent/taskagent/internal/wire"
)

func TestServices(t *testing.T) {
	w := newWorld(t)
	token := w.start(state.Task{AllocID: "alloc-1", Job: "example", Group: "cache", Task: "redis", Services: services("cache", 21246, "primary")})
	w.start(state.Task{AllocID: "alloc-2", Job: "other", Group: "g", Task: "t", Services: []wire.Service{
		{Name: "api", Port: 1, Tags: []string{"v1", "blue"}}, {Name: "api", Port: 2, Tags: []string{"v2", "blue"}}, {Name: "bare", Port: 3}}})
	w.start(state.Task{AllocID: "alloc-3", Namespace: "shared", Job: "nsjob", Group: "g", Task: "t", Services: services("nsapi", 21248)})
	client := createToken(w, "reader", `namespace "shared" { policy = "read" }`)
	const none, denied = "[]", "403 Permission denied"
	const inDefault = `{"Namespace":"default","Services":[{"ServiceName":"api","Tags":["v1","blue","v2"]},{"ServiceName":"bare","Tags":[]},{"ServiceName":"cache","Tags":["primary"]}]}`
	const inShared = `{"Namespace":"shared","Services":[{"ServiceName":"nsapi","Tags":[]}]}`
	reg := func(n int, tags string) string {
		return fmt.Sprintf(`{"ID":"_nomad-task-alloc-2-t-api-%d","ServiceName":"api","Namespace":"default","NodeID":"UUID","Datacenter":"dc1",`+
			`"JobID":"other","AllocID":"alloc-2","Tags":[%s],"Address":"127.0.0.1","Port":%d,"CreateIndex":N,"ModifyIndex":N}`, n, tags, n)
	}
	one, two := reg(1, `"v1","blue"`), reg(2, `"v2","blue"`)
	const form = "400 failed to choose services: Parameter for choose must be in form '<number>|<key>'"
	for _, tt := range []struct{ who, request, want string }{
		{token, "GET /v1/services", "[" + inDefault + "]"},
		{token, "GET /v1/services?namespace=shared", "[" + inShared + "]"},
		{token, "GET /v1/services?namespace=none", none},
		{token, "GET /v1/services?namespace=*", none},
		{w.mgmt, "GET /v1/services?namespace=*", "[" + inDefault + "," + inShared + "]"},
		{client, "GET /v1/services?namespace=*", "[" + inShared + "]"},
		{client, "GET /v1/services?namespace=shared", "[" + inShared + "]"},
		{client, "GET /v1/services", denied},
		{client, "GET /v1/service/api", denied},
		{token, "GET /v1/service/api", "[" + one + "," + two + "]"},
		{token, "GET /v1/service/none", none},
		{token, "GET /v1/service/api?namespace=shared", none},
		{token, "GET /v1/service/api?namespace=*", none},
		{token, "GET /v1/service/api?per_page=1", "[" + one + "] next default._nomad-task-alloc-2-t-api-2"},
		{token, "GET /v1/service/api?per_page=1&next_token=default._nomad-task-alloc-2-t-api-2", "[" + two + "]"},
		{token, "GET /v1/service/api?filter=Tags+contains+%22v2%22", "[" + two + "]"},
		{token, "GET /v1/service/api?filter=%22none%22+in+Tags", none},
		{token, "GET /v1/service/api?filter=Port+%3D%3D+1", "[" + one + "]"},
		{token, "GET /v1/service/api?filter=Nope+%3D%3D+1", `400 failed to read result page: error finding value in datum: /Nope at part 0: couldn't find key: struct field with name "Nope"`},
		{token, "GET /v1/service/api?choose=0|k", none},
		{token, "GET /v1/service/api?choose=1", form},
		{token, "GET /v1/service/api?choose=x|k", form},
		{token, "GET /v1/service/api?choose=-1|k", form},
		{token, "GET /v1/service/api?choose=1|", form},
		{token, "GET /v1/service/", "400 missing service name"},
		{token, "GET /v1/service/a/b/c", "400 invalid URI"},
		{token, "GET /v1/service/a/b", "405 Invalid method"},
		{token, "DELETE /v1/service/a", "405 Invalid method"},
		{token, "DELETE /v1/service/a/", "400 missing service id"},
		{token, "DELETE /v1/service/api/_nomad-task-alloc-2-t-api-1", denied},
		{w.mgmt, "DELETE /v1/service/api/none", "500 service registration not found"},
		{w.mgmt, "DELETE /v1/service/api/_nomad-task-alloc-2-t-api-1?namespace=shared", "500 service registration not found"},
		{w.mgmt, "DELETE /v1/service/api/_nomad-task-alloc-2-t-api-1", ""},
		{token, "GET /v1/service/api", "[" + two + "]"},
	} {
		method, path, _ := strings.Cut(tt.request, " ")
		a := w.do(w.task, tt.who, method, path, nil)
		got := masked(a.body)
		if a.status != 200 {
			got = a.String()
		}
		if next := a.header.Get("X-Nomad-NextToken"); next != "" {
			got += " next " + next
		}
		if got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.request, got, tt.want)
		}
	}
}

// TestChoose: the same key gets the same services, and of one that goes only its
// own keys notice.
func TestChoose(t *testing.T) {
	w := newWorld(t)
	for i := range 8 {
		w.start(state.Task{AllocID: fmt.Sprintf("alloc-%d", i), Job: "j", Group: "g", Task: "t", Services: services("api", 8000+i)})
	}
	chosen := func(n int, key string) (ids []string) {
		var list []struct{ AllocID string }
		w.as("GET", fmt.Sprintf("/v1/service/api?choose=%d|%s", n, key), nil).json(t, &list)
		for _, s := range list {
			ids = append(ids, s.AllocID)
		}
		return ids
	}
	before := map[string]string{}
	for i := range 40 {
		key := fmt.Sprint("key", i)
		before[key] = chosen(1, key)[0]
		if again := chosen(3, key); len(again) != 3 || again[0] != before[key] {
			t.Errorf("%s: %v then %v", key, before[key], again)
		}
	}
	if n := len(chosen(99, "k")); n != 8 {
		t.Errorf("99 of 8 are %d", n)
	}
	if err := w.store.EndTask("alloc-3", "t"); err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for key, was := range before {
		used[was] = true
		if now := chosen(1, key)[0]; now != was && was != "alloc-3" {
			t.Errorf("%s moved from %s to %s", key, was, now)
		}
	}
	if len(used) < 4 {
		t.Errorf("40 keys use %d of 8 services", len(used))
	}
}

// createToken creates a policy of that name and a client token with it, and
// returns the token's secret.
func createToken(w *world, policy, rules string) string {
	w.t.Helper()
	w.policy(policy, rules)
	var tok struct{ SecretID string }
	w.must("PUT", "/v1/acl/token", obj{"Type": "client", "Policies": []string{policy}}).json(w.t, &tok)
	return tok.SecretID
}
