package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// rules lets read and list the paths given, in the namespace.
func rules(namespace string, paths ...string) string {
	var b strings.Builder
	b.WriteString(`namespace "` + namespace + "\" {\n  variables {\n")
	for _, p := range paths {
		b.WriteString(`    path "` + p + "\" { capabilities = [\"read\", \"list\"] }\n")
	}
	return b.String() + "  }\n}\n"
}

// TestNomadAPIPolicies writes, attaches and removes policies.
func TestNomadAPIPolicies(t *testing.T) {
	o := newWorld(t).lead()
	o.doors(t, func(t *testing.T, c *api.Client) {
		pols, name := c.ACLPolicies(), strings.ReplaceAll(t.Name(), "/", "-")
		p := &api.ACLPolicy{Name: name, Description: "d", Rules: rules("default", "a/*"),
			JobACL: &api.JobACL{Namespace: "default", JobID: "j", Group: "g", Task: "t"}}
		_, err := pols.Upsert(p, nil)
		ok(t, "write", err)
		got, _, err := pols.Info(name, nil)
		ok(t, "read", err)
		if got.Rules != p.Rules || got.Description != "d" || *got.JobACL != *p.JobACL || got.CreateIndex == 0 {
			t.Errorf("read %+v %+v", got, got.JobACL)
		}
		p.Description, p.JobACL = "", nil
		_, err = pols.Upsert(p, nil)
		ok(t, "replace", err)
		list, meta, err := pols.List(&api.QueryOptions{Prefix: name})
		ok(t, "list", err)
		if len(list) != 1 || list[0].Description != "" || list[0].JobACL != nil || list[0].CreateIndex != got.CreateIndex || meta.LastIndex < list[0].ModifyIndex {
			t.Errorf("list %+v, %+v", list, meta)
		}
		for what, bad := range map[string]struct {
			policy api.ACLPolicy
			text   string
		}{
			"an unknown block":      {api.ACLPolicy{Name: "bad", Rules: "nonsense \"x\" {}"}, "line 1, column 1: unknown block \"nonsense\""},
			"an unknown capability": {api.ACLPolicy{Name: "bad", Rules: "namespace \"x\" {\n  capabilities = [\"fly\"]\n}"}, "line 2, column 19: unknown namespace capability \"fly\""},
			"a group and no job":    {api.ACLPolicy{Name: "bad", Rules: p.Rules, JobACL: &api.JobACL{Namespace: "default", Group: "g"}}, "job ID must be set to set group"},
			"a bad name":            {api.ACLPolicy{Name: "a b", Rules: p.Rules}, "invalid name 'a b'"},
		} {
			_, err := pols.Upsert(&bad.policy, nil)
			refused(t, what, err, 400, bad.text)
		}
		_, err = pols.Delete(name, nil)
		ok(t, "delete", err)
		_, _, err = pols.Info(name, nil)
		refused(t, "read what was deleted", err, 404, "ACL policy not found")
	})
}

// TestNomadAPIWorkload speaks as tasks: what the policies attached to each allow,
// from the moment they are written until the moment they are deleted.
func TestNomadAPIWorkload(t *testing.T) {
	w := newWorld(t)
	o := w.lead()
	op := nomadClient(t, o.url, o.token)
	for _, p := range []string{"nomad/jobs/example/cache/redis", "shared/a", "shared/b", "private"} {
		_, _, err := op.Variables().Create(newVariable(p, p), nil)
		ok(t, "create "+p, err)
	}
	redis := w.start("redis", []string{"-job", "example", "-group", "cache", "-task", "redis"})
	front := w.start("front", []string{"-job", "example", "-group", "web", "-task", "front"})

	for name, c := range map[string]*api.Client{"socket": redis.client(), "http": nomadClient(t, o.url, redis.token())} {
		t.Run(name, func(t *testing.T) {
			list := func(want string) {
				t.Helper()
				got, _, err := c.Variables().List(nil)
				ok(t, "list", err)
				if paths(got) != want {
					t.Errorf("list %s, want %s", paths(got), want)
				}
			}
			list("default:nomad/jobs/example/cache/redis")
			_, _, err := c.Variables().Read("shared/a", nil)
			refused(t, "read without a policy", err, 403, "Permission denied")
			_, _, err = c.Variables().Create(newVariable("nomad/jobs/example/cache/redis", "x"), nil)
			refused(t, "write one's own", err, 403, "Permission denied")

			p := &api.ACLPolicy{Name: "redis-policy", Rules: rules("default", "shared/*"),
				JobACL: &api.JobACL{Namespace: "default", JobID: "example", Group: "cache", Task: "redis"}}
			_, err = op.ACLPolicies().Upsert(p, nil)
			ok(t, "attach", err)
			list("default:nomad/jobs/example/cache/redis default:shared/a default:shared/b")
			if v, _, err := c.Variables().Read("shared/a", nil); err != nil || v.Items["k"] != "shared/a" {
				t.Errorf("read with a policy: %v %v", v, err)
			}
			if _, _, err := front.client().Variables().Read("shared/a", nil); err == nil {
				t.Error("the other task may read it too")
			}
			own, _, err := c.ACLPolicies().List(nil)
			ok(t, "list one's policies", err)
			self, _, err := c.ACLPolicies().Self(nil)
			ok(t, "one's own policies", err)
			if len(own) != 1 || own[0].Name != "redis-policy" || len(self) != 1 || self[0].JobACL.Task != "redis" {
				t.Errorf("own policies %+v, %+v", own, self)
			}
			if got, _, err := c.ACLPolicies().Info("redis-policy", nil); err != nil || got.Rules != p.Rules {
				t.Errorf("read one's policy: %+v %v", got, err)
			}
			_, err = c.ACLPolicies().Upsert(p, nil)
			refused(t, "write a policy", err, 403, "Permission denied")

			p.Rules = strings.Replace(rules("default", "shared/*"), `["read", "list"]`, `["deny"]`, 1)
			_, err = op.ACLPolicies().Upsert(p, nil)
			ok(t, "change", err)
			list("default:nomad/jobs/example/cache/redis")
			_, err = op.ACLPolicies().Delete("redis-policy", nil)
			ok(t, "delete", err)
			_, _, err = c.Variables().Read("shared/a", nil)
			refused(t, "read after the policy", err, 403, "Permission denied")
		})
	}
	token, c := redis.token(), front.client()
	redis.stop()
	_, _, err := c.Variables().List(&api.QueryOptions{AuthToken: token})
	refused(t, "a token of an ended task", err, 403, "Forbidden")
}

// TestNomadAPITokens creates tokens, speaks with them, and takes them away.
func TestNomadAPITokens(t *testing.T) {
	w := newWorld(t)
	o := w.lead()
	tk := w.start("redis", []string{"-job", "example"})
	o.doors(t, func(t *testing.T, c *api.Client) {
		tokens := c.ACLTokens()
		_, _, err := c.Variables().Update(newVariable("ci/a", "1"), nil)
		ok(t, "write a variable", err)
		_, err = c.ACLPolicies().Upsert(&api.ACLPolicy{Name: "ci", Rules: rules("default", "ci/*")}, nil)
		ok(t, "write a policy", err)
		made, _, err := tokens.Create(&api.ACLToken{Name: "ci", Type: "client", Policies: []string{"ci", "to-come"}, ExpirationTTL: time.Hour}, nil)
		ok(t, "create", err)
		if made.SecretID == "" || made.AccessorID == "" || made.ExpirationTTL != time.Hour || !made.ExpirationTime.After(time.Now().Add(59*time.Minute)) {
			t.Errorf("created %+v", made)
		}
		for where, ci := range map[string]*api.Client{
			"http": nomadClient(t, o.url, made.SecretID), "the leader's socket": nomadClient(t, o.w.leaderSocket(), made.SecretID),
			"the task's socket": nomadClient(t, "unix://"+tk.socket(), made.SecretID),
		} {
			if v, _, err := ci.Variables().Read("ci/a", nil); err != nil || v.Items["k"] != "1" {
				t.Errorf("%s: read with the token: %v", where, err)
			}
			_, _, err := ci.Variables().Update(newVariable("ci/a", "2"), nil)
			refused(t, where+": write with the token", err, 403, "Permission denied")
			_, _, err = ci.ACLTokens().List(nil)
			refused(t, where+": list tokens with the token", err, 403, "Permission denied")
			if self, _, err := ci.ACLTokens().Self(nil); err != nil || self.AccessorID != made.AccessorID {
				t.Errorf("%s: self: %+v %v", where, self, err)
			}
		}
		made.Name, made.Policies = "renamed", []string{"none"}
		changed, _, err := tokens.Update(made, nil)
		ok(t, "update", err)
		if changed.Name != "renamed" || changed.SecretID != made.SecretID || !changed.ExpirationTime.Equal(*made.ExpirationTime) {
			t.Errorf("updated %+v", changed)
		}
		ci := nomadClient(t, o.url, made.SecretID)
		_, _, err = ci.Variables().Read("ci/a", nil)
		refused(t, "read without the policy", err, 403, "Permission denied")
		list, _, err := tokens.List(&api.QueryOptions{Filter: `Name == "renamed"`})
		ok(t, "list", err)
		if len(list) != 1 || list[0].AccessorID != made.AccessorID {
			t.Errorf("list %+v", list)
		}
		_, err = tokens.Delete(made.AccessorID, nil)
		ok(t, "delete", err)
		_, _, err = ci.Variables().Read("ci/a", nil)
		refused(t, "read with a deleted token", err, 403, "Permission denied")
		_, _, err = nomadClient(t, "unix://"+tk.socket(), made.SecretID).Variables().Read("ci/a", nil)
		refused(t, "the same at a task's door", err, 403, "Forbidden")
		_, _, err = tokens.Info(made.AccessorID, nil)
		refused(t, "read a deleted token", err, 404, "ACL token not found")

		for what, bad := range map[string]struct {
			token api.ACLToken
			text  string
		}{
			"an unknown type":              {api.ACLToken{Type: "weird"}, "token type must be client or management"},
			"a client without policies":    {api.ACLToken{Type: "client"}, "client token missing policies or roles"},
			"a management with policies":   {api.ACLToken{Type: "management", Policies: []string{"p"}}, "management token cannot be associated with policies or roles"},
			"a life of less than a minute": {api.ACLToken{Type: "client", Policies: []string{"p"}, ExpirationTTL: 59 * time.Second}, "expiration time cannot be less than 1m0s in the future"},
		} {
			_, _, err := tokens.Create(&bad.token, nil)
			refused(t, what, err, 400, bad.text)
		}
		root, _, err := tokens.Create(&api.ACLToken{Name: "root", Type: "management"}, nil)
		ok(t, "create a management token", err)
		_, err = nomadClient(t, o.url, root.SecretID).ACLTokens().Delete(root.AccessorID, nil)
		ok(t, "delete oneself", err)
	})
}

// TestNomadAPIBootstrap: the call is refused as already done, unless the leader
// was started to allow it, and then it works once.
func TestNomadAPIBootstrap(t *testing.T) {
	w := newWorld(t)
	o := w.lead()
	_, _, err := nomadClient(t, o.url, "").ACLTokens().Bootstrap(nil)
	refused(t, "bootstrap", err, 400, "ACL bootstrap already done")
	o.stop()

	o = w.lead("-open-bootstrap")
	c := nomadClient(t, o.url, "")
	boot, _, err := c.ACLTokens().Bootstrap(nil)
	ok(t, "an open bootstrap", err)
	if boot.Type != "management" || boot.SecretID == o.token {
		t.Errorf("bootstrapped %+v", boot)
	}
	_, _, err = c.ACLTokens().Bootstrap(nil)
	refused(t, "a second one", err, 400, "ACL bootstrap already done")
	for what, secret := range map[string]string{"the new token": boot.SecretID, "the one of the directory": o.token} {
		_, _, err := nomadClient(t, o.url, secret).ACLTokens().List(nil)
		ok(t, what, err)
	}
	o.stop()
	o = w.lead()
	_, _, err = nomadClient(t, o.url, "").ACLTokens().Bootstrap(nil)
	refused(t, "bootstrap of the next leader", err, 400, "ACL bootstrap already done")
}

// TestACLOff: -acl=false opens the operators' listener, and it alone.
func TestACLOff(t *testing.T) {
	w := newWorld(t)
	o := w.lead("-acl=false")
	tk := w.start("redis", []string{"-job", "example"})
	for what, token := range map[string]string{"no token": "", "garbage": "garbage", "a task's": tk.token()} {
		_, _, err := nomadClient(t, o.url, token).Variables().Update(newVariable("a", "1"), nil)
		ok(t, what, err)
	}
	for what, token := range map[string]string{"no token": "", "garbage": "garbage", "no such token": "11111111-1111-1111-1111-111111111111"} {
		status, body := tk.ask("GET", "/v1/vars", as(token), "")
		if want := map[bool]int{true: 401, false: 403}[token == ""]; status != want {
			t.Errorf("the task's door with %s: %d %s, want %d", what, status, body, want)
		}
		if status, body, err := askSocket(filepath.Join(w.dataDir, "task.sock"), "GET", "/v1/vars", as(token), ""); err != nil || status == 200 {
			t.Errorf("the leader's door for tasks with %s: %d %s %v", what, status, body, err)
		}
	}
	_, _, err := tk.client().Variables().Read("a", nil)
	refused(t, "a task's read", err, 403, "Permission denied")
	o.stop()
	// It is kept, like every setting, until it is said otherwise.
	b, err := os.ReadFile(filepath.Join(w.dataDir, "settings.json"))
	ok(t, "read the settings", err)
	if !strings.Contains(string(b), `"acl": false`) {
		t.Errorf("settings: %s", b)
	}
	o = w.lead("-acl=true")
	_, _, err = nomadClient(t, o.url, "").Variables().Read("a", nil)
	refused(t, "read without a token", err, 403, "Permission denied")
}
