package nomadtest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	msgpackrpc "github.com/hashicorp/net-rpc-msgpackrpc/v2"

	"github.com/taskagent/taskagent/identity"
)

// FakeSecret is the node's secret that a FakeRPC accepts.
const FakeSecret = "5ec2e700-0000-4000-8000-000000000001"

// FakeRPC is a server that knows the two calls, written with the libraries that
// Nomad uses. It misbehaves when told to. Its methods are safe for concurrent use.
type FakeRPC struct {
	// Signer signs what it hands out.
	Signer *Signer

	t       testing.TB
	mu      sync.Mutex // guards what follows
	changed *sync.Cond
	index   uint64
	allocs  map[string]*FakeAlloc
	refuse  string
	calls   []string
	fault   func(n int, conn net.Conn) bool
	conns   int
	tls     *tls.Config
	closed  bool
}

// FakeAlloc is an allocation with one group, "g".
type FakeAlloc struct {
	Job                         string
	Tasks                       []string
	Identities                  []string // named ones, that every task and service has
	TTL                         time.Duration
	ClientStatus, DesiredStatus string
	Dead                        []string // tasks that are dead
	// MixUp, when set, changes the claims before they are signed.
	MixUp func(*identity.Claims)
	index uint64
}

// NewFakeRPC returns a server that knows no allocation yet. With a TLS
// configuration it speaks nothing else.
func NewFakeRPC(t testing.TB, cfg *tls.Config) *FakeRPC {
	f := &FakeRPC{t: t, Signer: NewSigner(t), allocs: map[string]*FakeAlloc{}, index: 10, tls: cfg}
	f.changed = sync.NewCond(&f.mu)
	t.Cleanup(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.closed = true
		f.changed.Broadcast()
	})
	return f
}

// Listen serves on a loopback address, which it returns, until the test ends.
func (f *FakeRPC) Listen() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go f.ServeConn(conn)
		}
	}()
	return l.Addr().String()
}

// Set sets, or with nil removes, an allocation. It is news.
func (f *FakeRPC) Set(id string, a *FakeAlloc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.index++
	if a == nil {
		delete(f.allocs, id)
	} else {
		copied := *a
		copied.index = f.index
		f.allocs[id] = &copied
	}
	f.changed.Broadcast()
}

// Refuse has every call refused with the text, until it is empty. Calls that
// wait are refused, too.
func (f *FakeRPC) Refuse(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = text
	f.changed.Broadcast()
}

// Fault is asked about every connection, by its number from 0. It returns true
// when it has dealt with it.
func (f *FakeRPC) Fault(fault func(n int, conn net.Conn) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.conns = fault, 0
}

// Calls returns the calls so far: method, whether stale reads are allowed, index.
func (f *FakeRPC) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

// ServeConn serves one connection until it ends.
func (f *FakeRPC) ServeConn(conn net.Conn) {
	defer conn.Close()
	f.mu.Lock()
	n, fault := f.conns, f.fault
	f.conns++
	f.mu.Unlock()
	if fault != nil && fault(n, conn) {
		return
	}
	first := make([]byte, 1)
	if _, err := conn.Read(first); err != nil {
		return
	}
	if (first[0] == 4) != (f.tls != nil) {
		return // as Nomad does
	}
	if first[0] == 4 {
		tc := tls.Server(conn, f.tls)
		if _, err := tc.Read(first); err != nil {
			return
		}
		conn = tc
	}
	if first[0] != 1 {
		f.t.Errorf("fake server: the first byte is %#x", first[0])
		return
	}
	h := &codec.MsgpackHandle{}
	h.RawToString, h.TimeNotBuiltin = true, true
	h.TypeInfos = codec.NewTypeInfos([]string{"codec"})
	server := rpc.NewServer()
	if err := server.RegisterName("Alloc", &fakeAllocs{f}); err != nil {
		f.t.Error(err)
	}
	// One request after the other, as Nomad serves a connection.
	c := msgpackrpc.NewCodecFromHandle(true, true, conn, h)
	for server.ServeRequest(c) == nil {
	}
}

// fakeAllocs has the methods, as package net/rpc wants them.
type fakeAllocs struct{ f *FakeRPC }

// FakeQuery is what the arguments have in common.
type FakeQuery struct {
	Region, AuthToken string
	AllowStale        bool
	MinQueryIndex     uint64
	MaxQueryTime      time.Duration
}

// FakeGetAllocs is the argument of GetAllocs.
type FakeGetAllocs struct {
	AllocIDs []string
	FakeQuery
}

// FakeSignIdentities is the argument of SignIdentities.
type FakeSignIdentities struct {
	Identities []*FakeRequest
	FakeQuery
}

// FakeRequest asks for one identity.
type FakeRequest struct {
	AllocID, IdentityName, WorkloadIdentifier string
	WorkloadType                              uint8
}

// begin checks what all calls share. f.mu is held.
func (f *FakeRPC) begin(method string, q FakeQuery) error {
	f.calls = append(f.calls, strings.TrimSpace(fmt.Sprintf("%s stale=%t index=%d", method, q.AllowStale, q.MinQueryIndex)))
	switch {
	case f.refuse != "":
		return errors.New(f.refuse)
	case q.Region != "global":
		return errors.New("rpc error: No path to region")
	case q.AuthToken != FakeSecret:
		return errors.New("rpc error: Permission denied")
	}
	return nil
}

// GetAllocs is Alloc.GetAllocs.
func (a *fakeAllocs) GetAllocs(args *FakeGetAllocs, reply *map[string]any) error {
	f := a.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("GetAllocs", args.FakeQuery); err != nil {
		return err
	}
	for {
		alloc, ok := f.allocs[args.AllocIDs[0]]
		if news := ok && alloc.index > args.MinQueryIndex; news || f.index > args.MinQueryIndex {
			*reply = map[string]any{"Index": f.index, "KnownLeader": true, "LastContact": 0, "Allocs": nil}
			if news {
				(*reply)["Allocs"] = []any{f.alloc(args.AllocIDs[0], alloc)}
				(*reply)["Index"] = alloc.index
			}
			return nil
		}
		f.changed.Wait()
		if f.refuse != "" {
			return errors.New(f.refuse)
		}
		if f.closed {
			return errors.New("rpc error: No cluster leader")
		}
	}
}

func (f *FakeRPC) alloc(id string, a *FakeAlloc) map[string]any {
	signed, states, tasks := map[string]string{}, map[string]any{}, []any{}
	for _, task := range a.Tasks {
		signed[task] = f.Signer.Sign(f.claims(id, a, task, "", identity.DefaultName, 0))
		tasks = append(tasks, map[string]any{"Name": task, "Driver": "raw_exec", "KillTimeout": 5e9})
		states[task] = map[string]any{"State": "running", "Failed": false}
	}
	for _, task := range a.Dead {
		states[task] = map[string]any{"State": "dead", "Failed": true}
	}
	return map[string]any{
		"ID": id, "Name": a.Job + ".g[0]", "Namespace": "default", "JobID": a.Job, "TaskGroup": "g", "ModifyIndex": a.index,
		"ClientStatus": a.ClientStatus, "DesiredStatus": a.DesiredStatus, "SignedIdentities": signed, "TaskStates": states,
		"Job": map[string]any{"ID": a.Job, "TaskGroups": []any{map[string]any{"Name": "g", "Count": 1, "Tasks": tasks}}},
	}
}

func (f *FakeRPC) claims(id string, a *FakeAlloc, task, service, name string, ttl time.Duration) identity.Claims {
	now := time.Now().Truncate(time.Second)
	workload := task + service
	c := identity.Claims{
		Subject:  identity.Subject("global", "default", a.Job, "g", workload, name),
		Audience: []string{identity.NomadAudience}, ID: fmt.Sprint(now.UnixNano()), IssuedAt: now, NotBefore: now,
		Namespace: "default", JobID: a.Job, AllocationID: id, Task: task, Service: service,
	}
	if ttl > 0 {
		c.Expiry = now.Add(ttl)
	}
	if a.MixUp != nil {
		a.MixUp(&c)
	}
	return c
}

// SignIdentities is Alloc.SignIdentities.
func (a *fakeAllocs) SignIdentities(args *FakeSignIdentities, reply *map[string]any) error {
	f := a.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("SignIdentities", args.FakeQuery); err != nil {
		return err
	}
	var signed, rejected []any
	for _, r := range args.Identities {
		echo := map[string]any{
			"AllocID": r.AllocID, "IdentityName": r.IdentityName, "WorkloadIdentifier": r.WorkloadIdentifier, "WorkloadType": r.WorkloadType,
		}
		alloc, ok := f.allocs[r.AllocID]
		task, service := r.WorkloadIdentifier, ""
		if r.WorkloadType == 1 {
			task, service = service, task
		}
		switch {
		case !ok:
			echo["Reason"] = "allocation not found"
		case service == "" && !contains(alloc.Tasks, task):
			echo["Reason"] = "task not found"
		case !contains(alloc.Identities, r.IdentityName):
			echo["Reason"] = "identity not found"
		default:
			echo["JWT"] = f.Signer.Sign(f.claims(r.AllocID, alloc, task, service, r.IdentityName, alloc.TTL))
			echo["Expiration"] = time.Now().UTC()
			signed = append(signed, echo)
			continue
		}
		rejected = append(rejected, echo)
	}
	*reply = map[string]any{"SignedIdentities": signed, "Rejections": rejected, "Index": f.index, "KnownLeader": true}
	return nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
