package httpapi

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/taskagent/taskagent/internal/acl"
	"github.com/taskagent/taskagent/internal/leader/state"
)

// registration is a service as clients see it. Filters see it so too.
type registration struct {
	ID          string
	ServiceName string
	Namespace   string
	NodeID      string
	Datacenter  string
	JobID       string
	AllocID     string
	Tags        []string
	Address     string
	Port        int
	CreateIndex uint64
	ModifyIndex uint64
}

func newRegistration(s *state.Service) *registration {
	return &registration{
		ID: s.ID, ServiceName: s.ServiceName, Namespace: s.Namespace, NodeID: s.NodeID, Datacenter: s.Datacenter,
		JobID: s.JobID, AllocID: s.AllocID, Tags: s.Tags, Address: s.Address, Port: s.Port,
		CreateIndex: s.CreateIndex, ModifyIndex: s.ModifyIndex,
	}
}

// namespaceServices is what a list of services shows of a namespace.
type namespaceServices struct {
	Namespace string
	Services  []serviceStub
}

// serviceStub is a name with the tags of all that are registered under it.
type serviceStub struct {
	ServiceName string
	Tags        []string
}

// listServices answers /v1/services.
func (c *call) listServices() (any, error) {
	if err := c.get(); err != nil {
		return nil, err
	}
	if err := c.parse(); err != nil {
		return nil, err
	}
	prefix := state.Key(c.namespace, "")
	if c.namespace == allNamespaces {
		prefix = ""
	}
	watch := func() *state.Watcher { return c.api.Store.Watch(state.TableServices, prefix) }
	var answer []namespaceServices
	err := c.block(watch, func(who *caller) (uint64, error) {
		if c.namespace != allNamespaces && !who.acl.AllowServiceRead(c.namespace) {
			return 0, errDenied
		}
		index := c.api.Store.Index(state.TableServices)
		answer = groupServices(c.api.Store.Services(c.namespace), func(namespace string) bool {
			return c.namespace != allNamespaces || who.acl.AllowNamespaceOp(namespace, acl.NamespaceReadJob)
		})
		c.setMeta(index)
		return index, nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// groupServices gathers registrations, which are ordered by namespace and name.
func groupServices(list []*state.Service, show func(namespace string) bool) []namespaceServices {
	out := []namespaceServices{}
	for _, s := range list {
		if !show(s.Namespace) {
			continue
		}
		if n := len(out); n == 0 || out[n-1].Namespace != s.Namespace {
			out = append(out, namespaceServices{Namespace: s.Namespace})
		}
		ns := &out[len(out)-1]
		if n := len(ns.Services); n == 0 || ns.Services[n-1].ServiceName != s.ServiceName {
			ns.Services = append(ns.Services, serviceStub{ServiceName: s.ServiceName, Tags: []string{}})
		}
		stub := &ns.Services[len(ns.Services)-1]
		for _, tag := range s.Tags {
			if !slices.Contains(stub.Tags, tag) {
				stub.Tags = append(stub.Tags, tag)
			}
		}
	}
	return out
}

// service answers /v1/service/NAME and /v1/service/NAME/ID.
func (c *call) service() (any, error) {
	parts := strings.Split(strings.TrimPrefix(c.r.URL.Path, "/v1/service/"), "/")
	switch len(parts) {
	case 1:
		if err := c.get(); err != nil {
			return nil, err
		}
		if parts[0] == "" {
			return nil, badRequest("missing service name")
		}
		return c.readService(parts[0])
	case 2:
		if err := c.only(http.MethodDelete); err != nil {
			return nil, err
		}
		if parts[1] == "" {
			return nil, badRequest("missing service id")
		}
		return c.deleteService(parts[1])
	default:
		return nil, badRequest("invalid URI")
	}
}

// readService answers with the registrations of that name.
func (c *call) readService(name string) (any, error) {
	if err := c.parse(); err != nil {
		return nil, err
	}
	watch := func() *state.Watcher {
		return c.api.Store.WatchOne(state.TableServices, state.Key(c.namespace, name))
	}
	var answer []*registration
	err := c.block(watch, func(who *caller) (uint64, error) {
		// A workload may ask for all namespaces too: no service is in one of that name.
		if who.workload == nil && !who.acl.AllowServiceRead(c.namespace) {
			return 0, errDenied
		}
		index := c.api.Store.Index(state.TableServices)
		list, next, err := c.servicePage(c.api.Store.ServicesNamed(c.namespace, name))
		if err != nil {
			return 0, err
		}
		answer = list
		c.setMeta(index)
		c.setNextToken(next)
		return index, nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// servicePage picks a page of registrations and, when asked to, some of that.
func (c *call) servicePage(list []*state.Service) ([]*registration, string, error) {
	page, err := c.newPager()
	if err != nil {
		return nil, "", err
	}
	out := []*registration{}
	for _, s := range list {
		r := newRegistration(s)
		take, full, err := page.offer(pathToken{s.Namespace, s.ID}, func() any { return r })
		if err != nil {
			return nil, "", err
		}
		if full {
			break
		}
		if take {
			out = append(out, r)
		}
	}
	if how := c.arg("choose"); how != "" {
		if out, err = choose(out, how); err != nil {
			return nil, "", err
		}
	}
	return out, page.next, nil
}

// choose picks n services for the bearer of a key, given as "n|key". It is the
// same choice every time, and a service that goes or comes changes it for few keys
// only (rendezvous hashing).
func choose(list []*registration, how string) ([]*registration, error) {
	errForm := badRequest("failed to choose services: Parameter for choose must be in form '<number>|<key>'")
	count, key, ok := strings.Cut(how, "|")
	n, err := strconv.Atoi(count)
	if !ok || err != nil || n < 0 || key == "" {
		return nil, errForm
	}
	type ranked struct {
		*registration
		rank []byte
	}
	all := make([]ranked, len(list))
	for i, r := range list {
		h := sha256.New()
		for _, s := range []string{key, r.Namespace, r.ID, r.Address} {
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
			h.Write([]byte(s))
		}
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(r.Port)))
		all[i] = ranked{r, h.Sum(nil)}
	}
	slices.SortFunc(all, func(a, b ranked) int {
		return cmp.Or(bytes.Compare(a.rank, b.rank), strings.Compare(a.ID, b.ID))
	})
	out := make([]*registration, 0, min(n, len(all)))
	for _, r := range all[:min(n, len(all))] {
		out = append(out, r.registration)
	}
	return out, nil
}

// deleteService takes a registration away.
func (c *call) deleteService(id string) (any, error) {
	who, err := c.writer()
	if err != nil {
		return nil, err
	}
	namespace := c.targetNamespace()
	if !who.acl.AllowNamespaceOp(namespace, acl.NamespaceSubmitJob) &&
		!who.acl.AllowNamespaceOp(namespace, acl.NamespaceDeleteServiceRegistration) {
		return nil, errDenied
	}
	index, err := c.api.Store.DeleteService(namespace, id)
	if errors.Is(err, state.ErrNotFound) {
		return nil, coded(http.StatusInternalServerError, "service registration not found")
	}
	if err != nil {
		return nil, err
	}
	c.setIndex(index)
	return nil, nil
}
