package test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

// TestNomadAPIServices finds, filters, chooses and deletes services.
func TestNomadAPIServices(t *testing.T) {
	w := newWorld(t)
	o := w.lead()
	_, err := nomadClient(t, o.url, o.token).Namespaces().Register(&api.Namespace{Name: "team"}, nil)
	ok(t, "create a namespace", err)
	web := w.start("web", []string{"-job", "web", "-service", "name=web,port=8080,tags=http|v1"})
	w.start("web2", []string{"-job", "web2", "-service", "name=web,port=8081,address=10.0.0.2,tags=http|v2"})
	w.start("team", []string{"-namespace", "team", "-job", "db", "-service", "name=db,port=5432"})
	as := func(t *testing.T, c *api.Client) {
		stubs, meta, err := c.Services().List(nil)
		ok(t, "list", err)
		slices.Sort(stubs[0].Services[0].Tags)
		if len(stubs) != 1 || len(stubs[0].Services) != 1 || strings.Join(stubs[0].Services[0].Tags, " ") != "http v1 v2" || meta.LastIndex == 0 {
			t.Errorf("list %+v, %+v", stubs[0].Services[0], meta)
		}
		all, _, err := c.Services().Get("web", nil)
		ok(t, "read", err)
		if len(all) != 2 {
			t.Fatalf("read %+v", all)
		}
		for _, tt := range []struct {
			opts api.QueryOptions
			want int
		}{
			{api.QueryOptions{Filter: `Port == 8081`}, 1},
			{api.QueryOptions{Filter: `Tags contains "http"`}, 2},
			{api.QueryOptions{Filter: `Tags contains "v3"`}, 0},
			{api.QueryOptions{Filter: `JobID == "web"`}, 1},
			{api.QueryOptions{Params: map[string]string{"choose": "1|key"}}, 1},
			{api.QueryOptions{Params: map[string]string{"choose": "9|key"}}, 2},
			{api.QueryOptions{Namespace: "team"}, 0},
		} {
			got, _, err := c.Services().Get("web", &tt.opts)
			ok(t, "read", err)
			if len(got) != tt.want {
				t.Errorf("%+v: %d services, want %d", tt.opts, len(got), tt.want)
			}
		}
		first, meta, err := c.Services().Get("web", &api.QueryOptions{PerPage: 1})
		ok(t, "first page", err)
		second, last, err := c.Services().Get("web", &api.QueryOptions{PerPage: 1, NextToken: meta.NextToken})
		ok(t, "second page", err)
		if len(first) != 1 || len(second) != 1 || first[0].ID == second[0].ID || last.NextToken != "" {
			t.Errorf("pages %+v %+v", first, second)
		}
		if db, _, err := c.Services().Get("db", &api.QueryOptions{Namespace: "team"}); err != nil || len(db) != 1 || db[0].Address != "127.0.0.1" || db[0].Namespace != "team" {
			t.Errorf("another namespace: %+v %v", db, err)
		}
		_, _, err = c.Services().Get("web", &api.QueryOptions{Filter: "Nope == 1"})
		refused(t, "a bad filter", err, 400, "error finding value in datum")
		_, _, err = c.Services().Get("web", &api.QueryOptions{Params: map[string]string{"choose": "x"}})
		refused(t, "a bad choice", err, 400, "Parameter for choose must be in form '<number>|<key>'")
	}
	o.doors(t, as)
	t.Run("as a task", func(t *testing.T) { as(t, web.client()) })

	op := nomadClient(t, o.url, o.token)
	regs, _, err := op.Services().Get("web", &api.QueryOptions{Filter: "Port == 8080"})
	ok(t, "read", err)
	if regs[0].Address != "127.0.0.1" || regs[0].JobID != "web" || regs[0].AllocID == "" || regs[0].Datacenter != "dc1" {
		t.Errorf("registration %+v", regs[0])
	}
	_, err = web.client().Services().Delete("web", regs[0].ID, nil)
	refused(t, "delete as a task", err, 403, "Permission denied")
	_, err = op.Services().Delete("web", regs[0].ID, nil)
	ok(t, "delete", err)
	_, err = op.Services().Delete("web", regs[0].ID, nil)
	refused(t, "delete again", err, 500, "service registration not found")
}

// TestNomadAPINamespaces creates and deletes namespaces, with Nomad's refusals.
func TestNomadAPINamespaces(t *testing.T) {
	w := newWorld(t)
	o := w.lead()
	o.doors(t, func(t *testing.T, c *api.Client) {
		nss := c.Namespaces()
		_, err := nss.Register(&api.Namespace{Name: "team", Description: "d", Meta: map[string]string{"a": "b"}}, nil)
		ok(t, "create", err)
		got, _, err := nss.Info("team", nil)
		ok(t, "read", err)
		if got.Description != "d" || got.Meta["a"] != "b" || got.CreateIndex == 0 {
			t.Errorf("read %+v", got)
		}
		list, _, err := nss.PrefixList("te", nil)
		ok(t, "list", err)
		all, _, err := nss.List(nil)
		ok(t, "list all", err)
		if len(list) != 1 || len(all) != 2 {
			t.Errorf("lists %+v %+v", list, all)
		}
		_, _, err = c.Variables().Create(newVariable("a", "1"), &api.WriteOptions{Namespace: "team"})
		ok(t, "write a variable in it", err)
		_, err = nss.Delete("team", nil)
		refused(t, "delete a namespace with variables", err, 500, `namespace "team" has variables associated with it`)
		_, err = c.Variables().Delete("a", &api.WriteOptions{Namespace: "team"})
		ok(t, "delete the variable", err)
		tk := w.start("t", []string{"-namespace", "team", "-job", "j"})
		_, err = nss.Delete("team", nil)
		refused(t, "delete a namespace with tasks", err, 500, `namespace "team" has non-terminal allocations`)
		tk.stop()
		_, err = nss.Delete("team", nil)
		ok(t, "delete", err)
		_, _, err = nss.Info("team", nil)
		refused(t, "read what was deleted", err, 404, "Namespace not found")
		_, err = nss.Delete("default", nil)
		refused(t, "delete default", err, 500, "can not delete default namespace")
		_, err = nss.Register(&api.Namespace{Name: "a b"}, nil)
		refused(t, "a bad name", err, 500, `invalid name "a b"`)
	})
}
