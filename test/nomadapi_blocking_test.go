package test

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// TestNomadAPIBlocking: a read with the index of what one has waits for the
// next change to it, and for no other.
func TestNomadAPIBlocking(t *testing.T) {
	w := newWorld(t)
	o := w.lead()
	op := nomadClient(t, o.url, o.token)
	tk := w.start("redis", []string{"-job", "example", "-group", "cache", "-task", "redis"})
	for name, c := range map[string]*api.Client{"http": op, "leader socket": nomadClient(t, w.leaderSocket(), ""), "task socket": tk.client()} {
		put := func(path string) func() {
			return func() {
				_, _, err := op.Variables().Update(newVariable(path, time.Now().String()), nil)
				ok(t, "write "+path, err)
			}
		}
		read := func(q *api.QueryOptions) (*api.QueryMeta, error) {
			_, m, err := c.Variables().Peek("nomad/jobs/example", q)
			return m, err
		}
		list := func(q *api.QueryOptions) (*api.QueryMeta, error) {
			_, m, err := c.Variables().PrefixList("nomad/jobs/example", q)
			return m, err
		}
		services := func(q *api.QueryOptions) (*api.QueryMeta, error) { _, m, err := c.Services().List(q); return m, err }
		service := func(q *api.QueryOptions) (*api.QueryMeta, error) {
			_, m, err := c.Services().Get("late", q)
			return m, err
		}
		policies := func(q *api.QueryOptions) (*api.QueryMeta, error) { _, m, err := c.ACLPolicies().List(q); return m, err }
		var late *task
		begin := func() { late = w.start("late", []string{"-job", "late", "-service", "name=late,port=1"}) }
		end := func() { late.stop() }
		put("nomad/jobs/example")()
		for _, tt := range []struct {
			what   string
			ask    func(*api.QueryOptions) (*api.QueryMeta, error)
			change func()
		}{
			{"a variable that changes", read, put("nomad/jobs/example")},
			{"a list with a new variable", list, put("nomad/jobs/example/" + strings.ReplaceAll(name, " ", "-"))},
			{"a service that comes", service, begin},
			{"a service that goes", service, end},
			{"services with a new one", services, begin},
			{"services with one less", services, end},
			{"a policy that is attached", policies, func() {
				_, err := op.ACLPolicies().Upsert(&api.ACLPolicy{Name: "p", Rules: rules("default", time.Now().Format("150405.000000")), JobACL: &api.JobACL{Namespace: "default", JobID: "example"}}, nil)
				ok(t, "write a policy", err)
			}},
		} {
			now, err := tt.ask(nil)
			ok(t, tt.what, err)
			// Without a change it waits its time, and says the same.
			start := time.Now()
			same, err := tt.ask(&api.QueryOptions{WaitIndex: now.LastIndex, WaitTime: 30 * time.Millisecond})
			ok(t, tt.what, err)
			if d := time.Since(start); same.LastIndex != now.LastIndex || d < 30*time.Millisecond {
				t.Errorf("%s: %s: without a change the index went from %d to %d after %v", name, tt.what, now.LastIndex, same.LastIndex, d)
			}
			type answer struct {
				meta *api.QueryMeta
				err  error
			}
			answers := make(chan answer, 1)
			go func() {
				m, err := tt.ask(&api.QueryOptions{WaitIndex: now.LastIndex, WaitTime: time.Minute})
				answers <- answer{m, err}
			}()
			tt.change()
			select {
			case a := <-answers:
				ok(t, tt.what, a.err)
				if a.meta.LastIndex <= now.LastIndex {
					t.Errorf("%s: %s: index %d after the change, %d before", name, tt.what, a.meta.LastIndex, now.LastIndex)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%s: %s: nothing came of the change", name, tt.what)
			}
		}
	}
}
