package httpapi_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/taskagent/taskagent/internal/leader/state"
)

// client is Nomad's own client, at one of the doors.
func (w *world) client(h http.Handler, network, token string) *api.Client {
	w.t.Helper()
	c, err := api.NewClient(&api.Config{Address: serve(w.t, h, network), SecretID: token})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// TestNomadClientAsOperator drives what Nomad's client has, over TCP.
func TestNomadClientAsOperator(t *testing.T) {
	w := newWorld(t)
	w.start(state.Task{AllocID: "alloc", Job: "example", Group: "cache", Task: "redis", Services: services("cache", 6379, "primary")})
	c := w.client(w.http, "tcp", w.mgmt)
	ok := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}

	v := api.NewVariable("app/config")
	v.Items = api.VariableItems{"user": "app", "pass": "x"}
	made, _, err := c.Variables().Create(v, nil)
	ok("create a variable", err)
	got, meta, err := c.Variables().Read("app/config", nil)
	ok("read a variable", err)
	if got.Items["pass"] != "x" || meta.LastIndex != made.ModifyIndex || !meta.KnownLeader {
		t.Errorf("read %+v, %+v", got, meta)
	}
	got.Items["pass"] = "y"
	_, _, err = c.Variables().CheckedUpdate(got, nil)
	ok("update a variable", err)
	_, _, err = c.Variables().CheckedUpdate(made, nil)
	if conflict, is := errors.AsType[api.ErrCASConflict](err); !is || conflict.Conflict.Items["pass"] != "y" {
		t.Errorf("a stale update: %v", err)
	}
	list, _, err := c.Variables().PrefixList("app", nil)
	ok("list variables", err)
	if len(list) != 1 || list[0].Path != "app/config" {
		t.Errorf("list: %v", list)
	}
	if missing, _, err := c.Variables().Peek("none", nil); err != nil || missing != nil {
		t.Errorf("peek: %v, %v", missing, err)
	}
	if _, _, err := c.Variables().Read("none", nil); !errors.Is(err, api.ErrVariablePathNotFound) {
		t.Errorf("a missing one: %v", err)
	}
	_, err = c.Variables().CheckedDelete("app/config", 1, nil)
	if _, is := errors.AsType[api.ErrCASConflict](err); !is {
		t.Errorf("a stale delete: %v", err)
	}
	_, err = c.Variables().Delete("app/config", nil)
	ok("delete a variable", err)

	stubs, _, err := c.Services().List(nil)
	ok("list services", err)
	if len(stubs) != 1 || stubs[0].Services[0].ServiceName != "cache" || stubs[0].Services[0].Tags[0] != "primary" {
		t.Errorf("services: %+v", stubs)
	}
	regs, _, err := c.Services().Get("cache", nil)
	ok("read a service", err)
	if len(regs) != 1 || regs[0].Port != 6379 || regs[0].JobID != "example" {
		t.Errorf("service: %+v", regs)
	}
	_, err = c.Services().Delete("cache", regs[0].ID, nil)
	ok("delete a service", err)

	_, err = c.Namespaces().Register(&api.Namespace{Name: "team", Description: "d"}, nil)
	ok("create a namespace", err)
	ns, _, err := c.Namespaces().Info("team", nil)
	ok("read a namespace", err)
	nss, _, err := c.Namespaces().PrefixList("te", nil)
	ok("list namespaces", err)
	if ns.Description != "d" || len(nss) != 1 {
		t.Errorf("namespaces: %+v", nss)
	}
	_, err = c.Namespaces().Delete("team", nil)
	ok("delete a namespace", err)

	_, err = c.ACLPolicies().Upsert(&api.ACLPolicy{Name: "p", Rules: `namespace "default" { policy = "read" }`, JobACL: &api.JobACL{Namespace: "default", JobID: "example"}}, nil)
	ok("write a policy", err)
	pol, _, err := c.ACLPolicies().Info("p", nil)
	ok("read a policy", err)
	pols, _, err := c.ACLPolicies().List(nil)
	ok("list policies", err)
	if pol.JobACL.JobID != "example" || len(pols) != 1 {
		t.Errorf("policies: %+v", pols)
	}
	tok, _, err := c.ACLTokens().Create(&api.ACLToken{Name: "t", Type: "client", Policies: []string{"p"}, ExpirationTTL: time.Hour}, nil)
	ok("create a token", err)
	tok.Name = "renamed"
	tok, _, err = c.ACLTokens().Update(tok, nil)
	ok("update a token", err)
	self, _, err := c.ACLTokens().Self(&api.QueryOptions{AuthToken: tok.SecretID})
	ok("read one's own token", err)
	toks, _, err := c.ACLTokens().List(nil)
	ok("list tokens", err)
	if self.Name != "renamed" || len(toks) != 2 || self.ExpirationTTL != time.Hour {
		t.Errorf("tokens: %+v, %+v", self, toks)
	}
	_, err = c.ACLTokens().Delete(tok.AccessorID, nil)
	ok("delete a token", err)
	_, err = c.ACLPolicies().Delete("p", nil)
	ok("delete a policy", err)
	if _, _, err := c.ACLTokens().Bootstrap(nil); err == nil || !strings.Contains(err.Error(), "ACL bootstrap already done") {
		t.Errorf("bootstrap: %v", err)
	}
	if roles, _, err := c.ACLRoles().List(nil); err != nil || len(roles) != 0 {
		t.Errorf("roles: %v, %v", roles, err)
	}

	key, _, err := c.Keyring().Rotate(&api.KeyringRotateOptions{}, nil)
	ok("rotate", err)
	keys, _, err := c.Keyring().List(nil)
	ok("list keys", err)
	if len(keys) != 2 {
		t.Errorf("keys: %+v", keys)
	}
	for _, k := range keys {
		if k.KeyID != key.KeyID {
			_, err := c.Keyring().Delete(&api.KeyringDeleteOptions{KeyID: k.KeyID, Force: true}, nil)
			ok("delete a key", err)
		}
	}

	health, err := c.Agent().Health()
	ok("health", err)
	me, err := c.Agent().Self()
	ok("self", err)
	mem, err := c.Agent().Members()
	ok("members", err)
	leader, err := c.Status().Leader()
	ok("leader", err)
	regions, err := c.Regions().List()
	ok("regions", err)
	if !health.Server.Ok || me.Member.Name != "taskagent.global" || len(mem.Members) != 1 || leader == "" || regions[0] != "global" {
		t.Errorf("%+v %+v %+v %s %v", health, me.Member, mem, leader, regions)
	}
}

// TestNomadClientLocks takes a lock with Nomad's client, and loses it to nobody.
func TestNomadClientLocks(t *testing.T) {
	w := newWorld(t)
	c := w.client(w.http, "tcp", w.mgmt)
	v := api.Variable{Path: "lock", Lock: &api.VariableLock{TTL: "10s", LockDelay: "1s"}}
	l, err := c.Locks(api.WriteOptions{}, v)
	if err != nil {
		t.Fatal(err)
	}
	id, err := l.Acquire(t.Context())
	if err != nil || id == "" {
		t.Fatalf("acquire: %q, %v", id, err)
	}
	other, err := c.Locks(api.WriteOptions{}, v)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Acquire(t.Context()); !errors.Is(err, api.ErrLockConflict) {
		t.Errorf("a second one: %v", err)
	}
	if err := l.Renew(t.Context()); err != nil {
		t.Errorf("renew: %v", err)
	}
	if err := l.Release(t.Context()); err != nil {
		t.Errorf("release: %v", err)
	}
	if _, err := other.Acquire(t.Context()); err != nil {
		t.Errorf("once it is free: %v", err)
	}
}

// TestNomadClientAsTask uses the task door, over a Unix socket, with a blocking
// query.
func TestNomadClientAsTask(t *testing.T) {
	w := newWorld(t)
	w.must("PUT", "/v1/var/nomad/jobs/example", obj{"Items": obj{"k": "one"}})
	token := w.start(state.Task{Job: "example", Group: "cache", Task: "redis"})
	c := w.client(w.task, "unix", token)
	v, meta, err := c.Variables().Read("nomad/jobs/example", nil)
	if err != nil || v.Items["k"] != "one" {
		t.Fatalf("%v, %v", v, err)
	}
	go w.do(w.http, w.mgmt, "PUT", "/v1/var/nomad/jobs/example", obj{"Items": obj{"k": "two"}})
	v, _, err = c.Variables().Read("nomad/jobs/example", &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: time.Minute})
	if err != nil || v.Items["k"] != "two" {
		t.Errorf("%v, %v", v, err)
	}
	_, _, err = c.Variables().Read("app/config", nil)
	if resp, ok := errors.AsType[api.UnexpectedResponseError](err); !ok || resp.StatusCode() != 403 {
		t.Errorf("what is not its own: %v", err)
	}
}
