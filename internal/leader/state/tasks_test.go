package state_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskagent/taskagent/internal/leader/state"
	"github.com/taskagent/taskagent/internal/wire"
)

func TestTaskLife(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	web := task("alloc", "web")
	web.Namespace, web.Region = "fresh", "eu"
	if err := s.StartTask(web); err != nil {
		t.Fatal(err)
	}
	if s.Namespace("fresh") == nil {
		t.Error("the namespace was not created")
	}
	if err := s.StartTask(web); !errors.Is(err, state.ErrTaskRunning) {
		t.Errorf("the same task again: %v", err)
	}
	other := task("alloc", "side")
	if err := s.StartTask(other); !errors.Is(err, state.ErrOtherJob) {
		t.Errorf("a task of another namespace in the allocation: %v", err)
	}
	other.Namespace, other.Region = "fresh", "eu"
	if err := s.StartTask(other); err != nil {
		t.Fatal(err)
	}
	if !s.HasRegion("eu") || s.HasRegion("global") {
		t.Errorf("regions: %v", s.Regions())
	}
	err := s.UpdateTask("alloc", "web", func(t *state.Task) { t.PID = 42 })
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = opened(t, dir)
	got, ok := s.GetTask("alloc", "web")
	if !ok || got.PID != 42 || got.ModifyIndex <= got.CreateIndex {
		t.Errorf("after a restart: %+v", got)
	}
	if len(s.AllocTasks("alloc")) != 2 || len(s.Tasks()) != 2 {
		t.Errorf("%d tasks", len(s.Tasks()))
	}
	if err := s.EndTask("alloc", "web"); err != nil {
		t.Fatal(err)
	}
	if s.TaskLive("alloc", "web") || !s.TaskLive("alloc", "side") || !s.HasRegion("eu") {
		t.Error("ending one task")
	}
	if s.ServicesNamed("fresh", "svc-web") != nil || len(s.Services("fresh")) != 1 {
		t.Errorf("services left: %v", s.Services("*"))
	}
	for _, err := range []error{s.EndTask("alloc", "web"), s.EndTask("none", "web"), s.UpdateTask("alloc", "web", func(*state.Task) {})} {
		if !errors.Is(err, state.ErrTaskUnknown) {
			t.Errorf("got %v", err)
		}
	}
	if err := s.EndTask("alloc", "side"); err != nil || s.HasRegion("eu") {
		t.Errorf("ending the last: %v, regions %v", err, s.Regions())
	}
}

func TestBadTasks(t *testing.T) {
	s := opened(t, t.TempDir())
	for name, fn := range map[string]func(*state.Task){
		`start task: "" is no name`:                           func(t *state.Task) { t.Job = "" },
		`start task: "a\x00b" is no name`:                     func(t *state.Task) { t.Task = "a\x00b" },
		`start task: without an agent it needs a time to end`: func(t *state.Task) { t.Once = true },
	} {
		bad := task("a", "b")
		fn(bad)
		if err := s.StartTask(bad); err == nil || err.Error() != name {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}

func TestServiceLive(t *testing.T) {
	s := opened(t, t.TempDir())
	web := task("alloc", "web")
	var id wire.Identity
	id.Service = "only-identity"
	web.Identities = []wire.Identity{id}
	if err := s.StartTask(web); err != nil {
		t.Fatal(err)
	}
	for svc, want := range map[string]bool{"svc-web": true, "only-identity": true, "other": false} {
		if s.ServiceLive("alloc", svc) != want {
			t.Errorf("%s live: %t", svc, !want)
		}
	}
	reg := s.ServicesNamed("default", "svc-web")
	want := &state.Service{ID: "_nomad-task-alloc-web-svc-web-80", ServiceName: "svc-web", Namespace: "default", NodeID: s.NodeID(),
		Datacenter: "dc1", JobID: "job", AllocID: "alloc", Tags: []string{"a"}, Address: "127.0.0.1", Port: 80, Task: "web",
		CreateIndex: reg[0].CreateIndex, ModifyIndex: reg[0].CreateIndex}
	if d := cmp.Diff([]*state.Service{want}, reg); d != "" {
		t.Error(d)
	}
	if _, err := s.DeleteService("other", want.ID); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("in another namespace: %v", err)
	}
	if _, err := s.DeleteService("default", want.ID); err != nil || s.ServicesNamed("default", "svc-web") != nil {
		t.Errorf("delete: %v", err)
	}
	if !s.ServiceLive("alloc", "svc-web") {
		t.Error("the service's token dies with its registration")
	}
	if s.EndTask("alloc", "web"); s.ServiceLive("alloc", "svc-web") {
		t.Error("the service's token outlives its task")
	}
}

func TestTaskForATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := opened(t, dir)
		once := task("alloc", "batch")
		once.Once, once.Expires = true, time.Now().Add(time.Minute)
		if err := s.StartTask(once); err != nil {
			t.Fatal(err)
		}
		s.Close()
		s = opened(t, dir, boot("boot-2"))
		defer s.Close()
		if !s.TaskLive("alloc", "batch") || len(s.Services("default")) != 1 {
			t.Error("it did not outlive the machine")
		}
		if _, err := s.DeleteService("default", s.Services("default")[0].ID); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if s.TaskLive("alloc", "batch") {
			t.Error("it outlives its time")
		}
		synctest.Wait()
		if len(s.Tasks()) != 0 {
			t.Error("it is still listed")
		}
	})
}

func TestNamespaces(t *testing.T) {
	s := opened(t, t.TempDir())
	if ns := s.Namespaces(); len(ns) != 1 || ns[0].Name != "default" || ns[0].Description != "Default shared namespace" {
		t.Fatalf("a new store has %v", ns)
	}
	if _, err := s.DeleteNamespace("default"); !errors.Is(err, state.ErrDefault) {
		t.Errorf("default: %v", err)
	}
	if _, err := s.DeleteNamespace("none"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("none: %v", err)
	}
	web := task("alloc", "web")
	web.Namespace = "ns"
	if err := s.StartTask(web); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutVariable(state.Write{Namespace: "ns", Path: "a"}); err != nil {
		t.Fatal(err)
	}
	inUse := func(want state.InUseError, text string) {
		t.Helper()
		_, err := s.DeleteNamespace("ns")
		e, ok := errors.AsType[*state.InUseError](err)
		if !ok || *e != want || e.Error() != text {
			t.Errorf("got %v, want %s", err, text)
		}
	}
	inUse(state.InUseError{Namespace: "ns", Tasks: true, Variables: true}, `namespace "ns" has tasks and variables`)
	s.EndTask("alloc", "web")
	inUse(state.InUseError{Namespace: "ns", Variables: true}, `namespace "ns" has variables`)
	s.DeleteVariable("ns", "a", nil)
	if _, err := s.DeleteNamespace("ns"); err != nil || s.Namespace("ns") != nil {
		t.Errorf("delete: %v", err)
	}
}

func TestWatch(t *testing.T) {
	s := opened(t, t.TempDir())
	fired := func(w *state.Watcher) bool {
		select {
		case <-w.C:
			return true
		default:
			return false
		}
	}
	all, prefix, one, other := s.Watch(state.TableVariables, ""), s.Watch(state.TableVariables, state.Key("default", "a/")),
		s.WatchOne(state.TableVariables, state.Key("default", "a/b")), s.Watch(state.TablePolicies, "")
	defer func() {
		for _, w := range []*state.Watcher{all, prefix, one, other} {
			w.Stop()
			w.Stop() // once more does no harm
		}
	}()
	put(t, s, "b", "1")
	if !fired(all) || fired(prefix) || fired(one) {
		t.Error("a change elsewhere")
	}
	put(t, s, "a/c", "1")
	if !fired(prefix) || fired(one) {
		t.Error("a change beside")
	}
	put(t, s, "a/b", "1")
	if !fired(one) || fired(other) {
		t.Error("the change")
	}
}
