package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/leader/httpapi"
	"github.com/taskagent/taskagent/internal/leader/keyring"
	"github.com/taskagent/taskagent/internal/leader/state"
)

func claimsOfService(alloc, job, group, service string) identity.Claims {
	return identity.Claims{Subject: identity.Subject("global", "default", job, group, service, "default"), Audience: []string{identity.NomadAudience},
		Namespace: "default", JobID: job, AllocationID: alloc, Service: service}
}

func TestNamespaces(t *testing.T) {
	w := newWorld(t)
	w.start(state.Task{Namespace: "busy", AllocID: "a", Job: "j", Group: "g", Task: "t"})
	w.must("PUT", "/v1/var/x?namespace=busy", obj{"Items": obj{"k": "v"}})
	invalid := func(name, problem string) string {
		return `Invalid namespace "` + name + `": 1 error occurred:` + "\n\t* " + problem + "\n\n"
	}
	w.steps(t, []step{
		{"PUT /v1/namespace", obj{"Name": "n1", "Description": "one", "Meta": obj{"a": "b"}}, 200, ""},
		{"POST /v1/namespace/n2", obj{"Name": "n2"}, 200, ""},
		{"PUT /v1/namespace/n3", obj{"Name": "other"}, 400, "Namespace name does not match request path"},
		{"PUT /v1/namespace", nil, 400, "Request body is empty"},
		{"PUT /v1/namespace", obj{"Name": "a b"}, 500, invalid("a b", `invalid name "a b". Must match regex ^[a-zA-Z0-9-]{1,128}$`)},
		{"PUT /v1/namespace", obj{"Name": "n3", "Description": strings.Repeat("d", 257)}, 500, invalid("n3", "description longer than 256")},
		{"PUT /v1/namespace", obj{"Name": "n3", "NodePoolConfiguration": obj{}}, 500, invalid("n3", "invalid node pool configuration: Node Pools Governance is unlicensed.")},
		{"PUT /v1/namespace", obj{"Name": "n3", "Quota": "q"}, 500, `namespace "n3" using non-existent quota "q"`},
		{"PUT /v1/namespace", obj{"Name": "n3", "VaultConfiguration": nil}, 200, ""},
		{"GET /v1/namespace/none", nil, 404, "Namespace not found"},
		{"GET /v1/namespace/", nil, 400, "Missing Namespace Name"},
		{"GET /v1/namespace", nil, 405, "Invalid method"},
		{"DELETE /v1/namespace/default", nil, 500, "can not delete default namespace"},
		{"DELETE /v1/namespace/none", nil, 500, "namespace not found"},
		{"DELETE /v1/namespace/busy", nil, 500, "3 errors occurred:\n\t* namespace \"busy\" has non-terminal jobs in regions: [global]\n\t* namespace \"busy\" has non-terminal allocations in regions: [global]\n" +
			"\t* namespace \"busy\" has variables associated with it in regions: [global]\n\n"},
		{"DELETE /v1/namespace/n3", nil, 200, ""},
	})
	var got map[string]json.RawMessage
	w.as("GET", "/v1/namespace/n1", nil).json(t, &got)
	for key, want := range map[string]string{"Name": `"n1"`, "Description": `"one"`, "Quota": `""`, "Capabilities": "null", "NodePoolConfiguration": "null",
		"VaultConfiguration": "null", "ConsulConfiguration": "null", "Meta": `{"a":"b"}`, "RequiredExtraClaims": "null", "OptionalExtraClaims": "null"} {
		if string(got[key]) != want {
			t.Errorf("%s is %s, want %s", key, got[key], want)
		}
	}
	if len(got) != 13 {
		t.Errorf("%d fields: %s", len(got), got)
	}
	names := func(token, query string) string {
		t.Helper()
		var list []struct{ Name string }
		w.do(w.http, token, "GET", "/v1/namespaces"+query, nil).json(t, &list)
		var out []string
		for _, n := range list {
			out = append(out, n.Name)
		}
		return strings.Join(out, " ")
	}
	reader := createToken(w, "r", `namespace "n*" { policy = "read" }
namespace "busy" { variables { path "*" { capabilities = ["read"] } } }`)
	for _, tt := range []struct{ token, query, want string }{
		{w.mgmt, "", "busy default n1 n2"}, {w.mgmt, "?prefix=n", "n1 n2"}, {w.mgmt, "?prefix=z", ""}, {reader, "", "n1 n2"}, {"", "", ""},
	} {
		if got := names(tt.token, tt.query); got != tt.want {
			t.Errorf("list%s: %q, want %q", tt.query, got, tt.want)
		}
	}
	for path, want := range map[string]int{"/v1/namespace/n1": 200, "/v1/namespace/nope": 404, "/v1/namespace/default": 403} {
		if a := w.do(w.http, reader, "GET", path, nil); a.status != want {
			t.Errorf("%s: %v", path, a)
		}
	}
	if a := w.do(w.http, reader, "PUT", "/v1/namespace/n1", obj{"Name": "n1"}); a.status != 403 {
		t.Errorf("a reader writes: %v", a)
	}
}

func TestKeyringAPI(t *testing.T) {
	w := newWorld(t)
	w.must("PUT", "/v1/var/a", obj{"Items": obj{"k": "v"}})
	reader := createToken(w, "ops", `operator { policy = "read" }`)
	states := func() (s string, ids []string) {
		t.Helper()
		var list []keyring.Meta
		w.do(w.http, reader, "GET", "/v1/operator/keyring/keys", nil).json(t, &list)
		for _, k := range list {
			s += string(k.State) + " "
			ids = append(ids, k.KeyID)
		}
		return s, ids
	}
	first, ids := states()
	if first != "active " {
		t.Fatalf("keys: %s", first)
	}
	index := w.as("GET", "/v1/operator/keyring/keys", nil).header.Get("X-Nomad-Index")
	var r struct {
		Key   keyring.Meta
		Index uint64
	}
	w.must("PUT", "/v1/operator/keyring/rotate", nil).json(t, &r)
	if r.Key.State != "active" || r.Index == 0 {
		t.Errorf("rotated: %+v", r)
	}
	if got := w.as("GET", "/v1/operator/keyring/keys", nil).header.Get("X-Nomad-Index"); got == index {
		t.Error("the index did not change")
	}
	w.steps(t, []step{
		{"DELETE /v1/operator/keyring/key/" + r.Key.KeyID, nil, 500, "active root key cannot be deleted - call rotate first"},
		{"DELETE /v1/operator/keyring/key/" + ids[0], nil, 500, "root key in use, cannot delete"},
		{"DELETE /v1/operator/keyring/key/none", nil, 500, "root key not found"},
		{"DELETE /v1/operator/keyring/key/", nil, 500, "root key ID is required"},
		{"DELETE /v1/operator/keyring/key/x?force=zz", nil, 422, "invalid force parameter"},
		{"GET /v1/operator/keyring/key/x", nil, 405, "Invalid method"},
		{"GET /v1/operator/keyring/rotate", nil, 405, "Invalid method"},
		{"GET /v1/operator/keyring/nope", nil, 405, "Invalid method"},
		{"PUT /v1/operator/keyring/rotate?full&publish_time=5", nil, 500, "keyring cannot be prepublished and full rotated at the same time"},
		{"PUT /v1/operator/keyring/rotate?publish_time=x", nil, 500, `invalid publish_time: strconv.ParseInt: parsing "x": invalid syntax`},
	})
	for _, request := range []string{"PUT /v1/operator/keyring/rotate", "DELETE /v1/operator/keyring/key/" + ids[0]} {
		method, path, _ := strings.Cut(request, " ")
		if a := w.do(w.http, reader, method, path, nil); a.status != 403 {
			t.Errorf("a reader: %s: %v", request, a)
		}
	}
	w.must("PUT", "/v1/operator/keyring/rotate?publish_time=4102444800000000000", nil)
	if s, _ := states(); s != "inactive active prepublished " {
		t.Errorf("keys: %s", s)
	}
	w.must("PUT", "/v1/operator/keyring/rotate?full", nil)
	if s, _ := states(); strings.Contains(s, "rekeying") {
		t.Errorf("after a full rotation: %s", s)
	}
	if a := w.as("DELETE", "/v1/operator/keyring/key/"+ids[0], nil); a.status != 200 {
		t.Errorf("a key that nothing is encrypted with: %v", a)
	}
	if a := w.as("GET", "/v1/var/a", nil); !strings.Contains(a.body, `"Items":{"k":"v"}`) {
		t.Errorf("the variable: %v", a)
	}
	if a := w.do(w.http, reader, "GET", "/v1/acl/token/self", nil); a.status != 200 {
		t.Errorf("the token: %v", a)
	}
}

func TestKeysForVerifiers(t *testing.T) {
	w := newWorld(t)
	token := w.start(state.Task{Job: "j", Group: "g", Task: "t"})
	a := w.do(w.http, "", "GET", "/.well-known/jwks.json", nil)
	keys, err := identity.ParseKeySet([]byte(a.body))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := identity.Verify(token, keys, identity.VerifyOptions{Audience: identity.NomadAudience}); err != nil {
		t.Errorf("verify with the published keys: %v", err)
	}
	if got := a.header.Get("Cache-Control"); got != "max-age=3600" {
		t.Errorf("Cache-Control: %s", got)
	}
	if a := w.do(w.http, "", "GET", "/.well-known/openid-configuration", nil); a.body != `{"issuer":"http://127.0.0.1:4646","jwks_uri":"http://127.0.0.1:4646/.well-known/jwks.json",`+
		`"id_token_signing_alg_values_supported":["RS256","EdDSA"],"response_types_supported":["code"],"subject_types_supported":["public"]}` {
		t.Errorf("discovery: %v", a)
	}
	without := newWorld(t, func(c *httpapi.Config) { c.Issuer = "" })
	if a := without.do(without.http, "", "GET", "/.well-known/openid-configuration", nil); a.status != 404 || a.body != "OIDC Discovery endpoint disabled" {
		t.Errorf("without an issuer: %v", a)
	}
}

func TestAgent(t *testing.T) {
	w := newWorld(t)
	const ok = `{"ok":true,"message":"ok"}`
	for request, want := range map[string]string{
		"GET /v1/agent/health":                  `200 {"client":` + ok + `,"server":` + ok + `}`,
		"GET /v1/agent/health?type=server":      `200 {"server":` + ok + `}`,
		"GET /v1/agent/health?type=client":      `200 {"client":` + ok + `}`,
		"GET /v1/agent/health?type=other":       `200 {}`,
		"GET /v1/agent/health?region=elsewhere": `500 {"client":` + ok + `,"server":{"ok":false,"message":"No path to region"}}`,
		"GET /v1/status/leader":                 `200 "127.0.0.1:4646"`,
		"GET /v1/status/leader?region=x":        `500 No path to region`,
		"POST /v1/status/leader":                `405 Invalid method`,
		"GET /v1/jobs":                          `501 taskagent has no jobs, nodes or allocations: ask a Nomad for /v1/jobs`,
		"PUT /v1/acl/role":                      `501 taskagent has no ACL roles: name policies in the token, or attach them to a job`,
		"GET /v1/acl/role/x":                    `404 ACL role not found`,
		"GET /v1/acl/binding-rules":             `200 []`,
		"GET /ui/":                              `404 taskagent has no web interface`,
		"GET /v1/nope":                          `404 `,
	} {
		method, path, _ := strings.Cut(request, " ")
		if a := w.as(method, path, nil); a.String() != want {
			t.Errorf("%s: %v, want %s", request, a, want)
		}
	}
	reader := createToken(w, "agent", `agent { policy = "read" }
node { policy = "read" }`)
	var self struct {
		Config struct {
			Region  string
			Version struct{ Version string }
		} `json:"config"`
		Member struct{ Name string } `json:"member"`
	}
	w.do(w.http, reader, "GET", "/v1/agent/self", nil).json(t, &self)
	if self.Config.Region != "global" || self.Config.Version.Version != "1.0.0-test" || self.Member.Name != "taskagent.global" {
		t.Errorf("self: %+v", self)
	}
	var members struct {
		Members []struct{ Addr, Status string }
	}
	w.do(w.http, reader, "GET", "/v1/agent/members", nil).json(t, &members)
	if len(members.Members) != 1 || members.Members[0].Addr != "127.0.0.1" || members.Members[0].Status != "alive" {
		t.Errorf("members: %+v", members)
	}
}
