package test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// newVariable is a variable with one item.
func newVariable(path, value string) *api.Variable {
	v := api.NewVariable(path)
	v.Items["k"] = value
	return v
}

func paths(list []*api.VariableMetadata) string {
	var out []string
	for _, m := range list {
		out = append(out, m.Namespace+":"+m.Path)
	}
	return strings.Join(out, " ")
}

// TestNomadAPIVariables drives Variables with Nomad's own client.
func TestNomadAPIVariables(t *testing.T) {
	o := newWorld(t).lead()
	o.doors(t, func(t *testing.T, c *api.Client) {
		vars, root := c.Variables(), strings.ReplaceAll(t.Name(), "/", "-")+"/"
		path := root + "config"

		made, meta, err := vars.Create(newVariable(path, "1"), nil)
		ok(t, "create", err)
		if made.Namespace != "default" || made.CreateIndex == 0 || made.CreateIndex != made.ModifyIndex || meta.LastIndex != made.ModifyIndex {
			t.Errorf("created %+v, index %d", made, meta.LastIndex)
		}
		_, _, err = vars.CheckedCreate(newVariable(path, "2"), nil)
		var conflict api.ErrCASConflict
		if !errors.As(err, &conflict) || conflict.CheckIndex != 0 || conflict.Conflict.Items["k"] != "1" {
			t.Errorf("create what is there: %v", err)
		}
		got, qm, err := vars.Read(path, nil)
		ok(t, "read", err)
		if got.Items["k"] != "1" || got.ModifyIndex != made.ModifyIndex || qm.LastIndex != made.ModifyIndex || !qm.KnownLeader {
			t.Errorf("read %+v, %+v", got, qm)
		}
		got.Items["k"] = "2"
		next, _, err := vars.CheckedUpdate(got, nil)
		ok(t, "checked update", err)
		if next.CreateIndex != made.CreateIndex || next.ModifyIndex <= made.ModifyIndex || next.CreateTime != made.CreateTime || next.ModifyTime < made.ModifyTime {
			t.Errorf("updated %+v, was %+v", next, made)
		}
		_, _, err = vars.CheckedUpdate(got, nil)
		if !errors.As(err, &conflict) || conflict.CheckIndex != made.ModifyIndex || conflict.Conflict.ModifyIndex != next.ModifyIndex {
			t.Errorf("a stale update: %v", err)
		}
		if want := fmt.Sprintf("cas conflict: expected ModifyIndex %v; found %v", made.ModifyIndex, next.ModifyIndex); err.Error() != want {
			t.Errorf("a stale update: %q, want %q", err, want)
		}
		_, _, err = vars.Update(newVariable(path, "3"), nil)
		ok(t, "update", err)
		if items, _, err := vars.GetVariableItems(path, nil); err != nil || items["k"] != "3" {
			t.Errorf("items: %v %v", items, err)
		}

		if _, _, err := vars.Read(root+"none", nil); !errors.Is(err, api.ErrVariablePathNotFound) {
			t.Errorf("read what is not there: %v", err)
		}
		if _, _, err := vars.GetVariableItems(root+"none", nil); !errors.Is(err, api.ErrVariablePathNotFound) {
			t.Errorf("items of what is not there: %v", err)
		}
		if v, _, err := vars.Peek(root+"none", nil); v != nil || err != nil {
			t.Errorf("peek at what is not there: %v %v", v, err)
		}
		_, _, err = vars.Create(newVariable("no spaces", "x"), nil)
		refused(t, "a bad path", err, 400, `invalid path "no spaces"`)
		_, _, err = vars.Create(newVariable("nomad/secret", "x"), nil)
		refused(t, "a reserved path", err, 400, `valid paths under the top-level "nomad" directory`)
		_, _, err = vars.Create(newVariable(path, strings.Repeat("x", 64<<10)), nil)
		refused(t, "one byte too much", err, 400, "variables are limited to 64KiB in total size")
		_, _, err = vars.Create(newVariable(root+"full", strings.Repeat("x", 64<<10-1)), nil)
		ok(t, "64 KiB", err)
		_, _, err = vars.Create(api.NewVariable(path), nil)
		refused(t, "no items", err, 400, "variable missing required Items object")

		_, err = vars.CheckedDelete(path, made.ModifyIndex, nil)
		if !errors.As(err, &conflict) {
			t.Errorf("a stale delete: %v", err)
		}
		now, _, err := vars.Peek(path, nil)
		ok(t, "peek", err)
		_, err = vars.CheckedDelete(path, now.ModifyIndex, nil)
		ok(t, "checked delete", err)
		_, err = vars.Delete(path, nil)
		ok(t, "delete what is not there", err)
	})
}

// TestNomadAPIVariableLists lists by prefix, namespace, page and filter.
func TestNomadAPIVariableLists(t *testing.T) {
	w := newWorld(t)
	o := w.lead()
	op := nomadClient(t, o.url, o.token)
	_, err := op.Namespaces().Register(&api.Namespace{Name: "team"}, nil)
	ok(t, "create a namespace", err)
	for _, p := range []string{"a", "a/1", "a/2", "ab", "b/1", "nomad/jobs/example"} {
		_, _, err := op.Variables().Create(newVariable(p, p), nil)
		ok(t, "create "+p, err)
	}
	for _, p := range []string{"a", "z"} {
		_, _, err := op.Variables().Create(newVariable(p, p), &api.WriteOptions{Namespace: "team"})
		ok(t, "create team's "+p, err)
	}
	o.doors(t, func(t *testing.T, c *api.Client) {
		for _, tt := range []struct {
			prefix string
			opts   api.QueryOptions
			want   string
		}{
			{"", api.QueryOptions{}, "default:a default:a/1 default:a/2 default:ab default:b/1 default:nomad/jobs/example"},
			{"a/", api.QueryOptions{}, "default:a/1 default:a/2"},
			{"a", api.QueryOptions{Namespace: "team"}, "team:a"},
			{"a", api.QueryOptions{Namespace: "*"}, "default:a default:a/1 default:a/2 default:ab team:a"},
			{"", api.QueryOptions{Namespace: "none"}, ""},
			{"", api.QueryOptions{Namespace: "*", Filter: `VariableMetadata.Namespace == "team"`}, "team:a team:z"},
			{"a", api.QueryOptions{Filter: `VariableMetadata.Path matches "[12]$"`}, "default:a/1 default:a/2"},
		} {
			list, meta, err := c.Variables().PrefixList(tt.prefix, &tt.opts)
			ok(t, "list "+tt.prefix, err)
			if got := paths(list); got != tt.want {
				t.Errorf("list %q %+v: %s, want %s", tt.prefix, tt.opts, got, tt.want)
			}
			if meta.LastIndex == 0 || !meta.KnownLeader || meta.NextToken != "" {
				t.Errorf("list %q: %+v", tt.prefix, meta)
			}
		}
		var all []*api.VariableMetadata
		opts := api.QueryOptions{Namespace: "*", PerPage: 3}
		for n := 1; ; n++ {
			list, meta, err := c.Variables().List(&opts)
			ok(t, "page", err)
			all = append(all, list...)
			if meta.NextToken == "" {
				if n != 3 || len(list) != 2 {
					t.Errorf("page %d with %d items is the last, want page 3 with 2", n, len(list))
				}
				break
			}
			opts.NextToken = meta.NextToken
		}
		if got := paths(all); got != "default:a default:a/1 default:a/2 default:ab default:b/1 default:nomad/jobs/example team:a team:z" {
			t.Errorf("all pages: %s", got)
		}
		_, _, err := c.Variables().List(&api.QueryOptions{Filter: "Path =="})
		refused(t, "a bad filter", err, 400, "failed to read filter expression")
	})
}

// TestNomadAPILocks takes, keeps and gives back locks the way Nomad's client does.
func TestNomadAPILocks(t *testing.T) {
	o := newWorld(t).lead()
	o.doors(t, func(t *testing.T, c *api.Client) {
		vars, path := c.Variables(), strings.ReplaceAll(t.Name(), "/", "-")
		lock := &api.VariableLock{TTL: "20s", LockDelay: "1s"}
		v := newVariable(path, "1")
		v.Lock = lock
		held, _, err := vars.AcquireLock(v, nil)
		ok(t, "acquire", err)
		if held.LockID() == "" || held.Lock.TTL != "20s" || held.Lock.LockDelay != "1s" {
			t.Fatalf("acquired %+v", held.Lock)
		}
		_, _, err = vars.AcquireLock(v, nil)
		refused(t, "acquire what is held", err, 409, path)
		_, _, err = vars.Update(newVariable(path, "2"), nil)
		refused(t, "write what is held", err, 409, path)
		_, err = vars.Delete(path, nil)
		refused(t, "delete what is held", err, 409, path)
		held.Items["k"] = "3"
		held.Lock = &api.VariableLock{ID: held.LockID()}
		_, _, err = vars.Update(held, nil)
		ok(t, "write by the holder", err)
		renewed, _, err := vars.RenewLock(held, nil)
		ok(t, "renew", err)
		if renewed.Lock.ID != held.LockID() {
			t.Errorf("renewed %+v", renewed.Lock)
		}
		other := &api.Variable{Path: path}
		other.Lock = &api.VariableLock{ID: "11111111-1111-1111-1111-111111111111"}
		_, _, err = vars.RenewLock(other, nil)
		refused(t, "renew another's", err, 409, "attempting to modify locked variable")
		_, _, err = vars.ReleaseLock(other, nil)
		refused(t, "release another's", err, 409, path)
		held.Items = nil
		_, _, err = vars.ReleaseLock(held, nil)
		ok(t, "release", err)
		_, _, err = vars.RenewLock(held, nil)
		refused(t, "renew what was released", err, 409, "variable doesn't hold a lock")
		got, _, err := vars.Read(path, nil)
		ok(t, "read", err)
		if got.Lock != nil || got.Items["k"] != "3" {
			t.Errorf("after the release: %+v", got)
		}
		lockHandlers(t, c, path+"/handler")
	})
}

// lockHandlers has two holders compete for one lock through the client's handles.
func lockHandlers(t *testing.T, c *api.Client, path string) {
	t.Helper()
	handle := func() *api.Locks {
		v := api.Variable{Path: path, Lock: &api.VariableLock{TTL: "10s", LockDelay: "1s"}}
		l, err := c.Locks(api.WriteOptions{}, v, api.LocksOptionWithMaxRetries(1))
		ok(t, "handle", err)
		return l
	}
	first, second := handle(), handle()
	got, err := first.Acquire(t.Context())
	ok(t, "first acquires", err)
	if got != path {
		t.Errorf("acquired %q", got)
	}
	if _, err := second.Acquire(t.Context()); !errors.Is(err, api.ErrLockConflict) {
		t.Errorf("second acquires: %v", err)
	}
	ok(t, "first renews", first.Renew(t.Context()))
	ok(t, "first releases", first.Release(t.Context()))
	if err := first.Renew(t.Context()); !errors.Is(err, api.ErrLockConflict) {
		t.Errorf("first renews after its release: %v", err)
	}
	var ran []string
	leaser := c.NewLockLeaser(second, api.LockLeaserOptionWithEarlyReturn(true))
	ok(t, "second leases", leaser.Start(t.Context(), func(context.Context) error {
		if _, err := first.Acquire(t.Context()); !errors.Is(err, api.ErrLockConflict) {
			t.Errorf("first acquires meanwhile: %v", err)
		}
		ran = append(ran, "protected")
		return nil
	}))
	if !slices.Equal(ran, []string{"protected"}) {
		t.Error("the protected function did not run once")
	}
	_, err = first.Acquire(t.Context())
	ok(t, "first acquires again", err)
}

// TestNomadAPILockExpires: a lock that nobody renews is gone after twice its time,
// as in Nomad, and can be had only after its delay.
func TestNomadAPILockExpires(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN: the shortest lock there is lasts 10s, and -short was given")
	}
	t.Parallel()
	o := newWorld(t).lead()
	c := nomadClient(t, o.url, o.token)
	v := newVariable("expires", "1")
	v.Lock = &api.VariableLock{TTL: "10s", LockDelay: "1s"}
	begin := time.Now()
	held, meta, err := c.Variables().AcquireLock(v, nil)
	ok(t, "acquire", err)
	for index := meta.LastIndex; ; {
		got, qm, err := c.Variables().Read("expires", &api.QueryOptions{WaitIndex: index, WaitTime: time.Minute})
		ok(t, "wait for the end of the lock", err)
		if index = qm.LastIndex; got.Lock == nil {
			break
		}
	}
	if d := time.Since(begin); d < 20*time.Second || d > 30*time.Second {
		t.Errorf("the lock lasted %v, want 20s", d)
	}
	_, _, err = c.Variables().RenewLock(held, nil)
	refused(t, "renew", err, 409, "variable doesn't hold a lock")
	eventually(t, "the lock to be had again", func() bool {
		_, _, err = c.Variables().AcquireLock(v, nil)
		return err == nil
	})
	if d := time.Since(begin); d < 21*time.Second {
		t.Errorf("the lock could be had again after %v, before its delay of 1s was over", d)
	}
}
