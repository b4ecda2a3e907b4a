package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/taskagent/taskagent/internal/leader/state"
)

// maxDescription bounds the description of a namespace or a policy.
const maxDescription = 256

// namespaceJSON is a namespace as clients send and see it. What belongs to other
// editions of Nomad is here to be refused, and to be shown as null.
type namespaceJSON struct {
	Name                  string
	Description           string
	Quota                 string
	Capabilities          *state.NamespaceCapabilities
	NodePoolConfiguration json.RawMessage
	VaultConfiguration    json.RawMessage
	ConsulConfiguration   json.RawMessage
	Meta                  map[string]string
	Hash                  []byte
	CreateIndex           uint64
	ModifyIndex           uint64
	RequiredExtraClaims   map[string]string
	OptionalExtraClaims   map[string]string
}

func showNamespace(n *state.Namespace) *namespaceJSON {
	return &namespaceJSON{
		Name: n.Name, Description: n.Description, Capabilities: n.Capabilities, Meta: n.Meta, Hash: n.Hash(),
		CreateIndex: n.CreateIndex, ModifyIndex: n.ModifyIndex,
		RequiredExtraClaims: n.RequiredExtraClaims, OptionalExtraClaims: n.OptionalExtraClaims,
	}
}

// listNamespaces answers /v1/namespaces with those in which the caller may do
// anything at all.
func (c *call) listNamespaces() (any, error) {
	if err := c.get(); err != nil {
		return nil, err
	}
	var answer []*namespaceJSON
	err := c.block(c.watchTable(state.TableNamespaces), func(who *caller) (uint64, error) {
		index := c.api.Store.Index(state.TableNamespaces)
		answer = []*namespaceJSON{}
		for _, n := range c.api.Store.Namespaces() {
			if strings.HasPrefix(n.Name, c.prefix) && who.acl.AllowNamespace(n.Name) {
				answer = append(answer, showNamespace(n))
			}
		}
		c.setMeta(index)
		return index, nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// createNamespace answers /v1/namespace.
func (c *call) createNamespace() (any, error) {
	if err := c.put(); err != nil {
		return nil, err
	}
	return c.putNamespace("")
}

// namespaceNamed answers /v1/namespace/….
func (c *call) namespaceNamed() (any, error) {
	return c.named("/v1/namespace/", "Missing Namespace Name", c.readNamespace, c.putNamespace, c.deleteNamespace)
}

func (c *call) readNamespace(name string) (any, error) {
	var found *state.Namespace
	watch := func() *state.Watcher { return c.api.Store.WatchOne(state.TableNamespaces, name) }
	err := c.block(watch, func(who *caller) (uint64, error) {
		if !who.acl.AllowNamespace(name) {
			return 0, errDenied
		}
		index := c.api.Store.Index(state.TableNamespaces)
		if found = c.api.Store.Namespace(name); found != nil {
			index = found.ModifyIndex
		}
		c.setMeta(index)
		return index, nil
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, coded(http.StatusNotFound, "Namespace not found")
	}
	return showNamespace(found), nil
}

// putNamespace creates or replaces a namespace; name is that of the URL, if any.
func (c *call) putNamespace(name string) (any, error) {
	var body namespaceJSON
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if name != "" && body.Name != name {
		return nil, badRequest("Namespace name does not match request path")
	}
	if _, err := c.manager(); err != nil {
		return nil, err
	}
	if err := body.check(); err != nil {
		return nil, err
	}
	index, err := c.api.Store.PutNamespace(&state.Namespace{
		Name: body.Name, Description: body.Description, Capabilities: body.Capabilities, Meta: body.Meta,
		RequiredExtraClaims: body.RequiredExtraClaims, OptionalExtraClaims: body.OptionalExtraClaims,
	})
	if err != nil {
		return nil, err
	}
	c.setIndex(index)
	return nil, nil
}

// check refuses what a namespace cannot be.
func (n *namespaceJSON) check() error {
	var bad []string
	if !validName(n.Name) {
		bad = append(bad, fmt.Sprintf("invalid name %q. Must match regex ^[a-zA-Z0-9-]{1,128}$", n.Name))
	}
	if len(n.Description) > maxDescription {
		bad = append(bad, fmt.Sprintf("description longer than %d", maxDescription))
	}
	given := func(v json.RawMessage) bool { return v != nil && string(v) != "null" }
	if given(n.NodePoolConfiguration) {
		bad = append(bad, "invalid node pool configuration: Node Pools Governance is unlicensed.")
	}
	if given(n.VaultConfiguration) {
		bad = append(bad, "invalid vault configuration: Multi-Cluster Vault is unlicensed.")
	}
	if given(n.ConsulConfiguration) {
		bad = append(bad, "invalid consul configuration: Multi-Cluster Consul is unlicensed.")
	}
	if err := problems(bad); err != nil {
		return coded(http.StatusInternalServerError, fmt.Sprintf("Invalid namespace %q: %v", n.Name, err))
	}
	if n.Quota != "" {
		return coded(http.StatusInternalServerError, fmt.Sprintf("namespace %q using non-existent quota %q", n.Name, n.Quota))
	}
	return nil
}

func (c *call) deleteNamespace(name string) (any, error) {
	if _, err := c.manager(); err != nil {
		return nil, err
	}
	index, err := c.api.Store.DeleteNamespace(name)
	if err == nil {
		c.setIndex(index)
		return nil, nil
	}
	used, isUsed := errors.AsType[*state.InUseError](err)
	switch {
	case errors.Is(err, state.ErrDefault):
		err = errors.New("can not delete default namespace")
	case errors.Is(err, state.ErrNotFound):
		err = errors.New("namespace not found")
	case isUsed:
		err = c.namespaceUsed(used)
	default:
		return nil, err
	}
	return nil, coded(http.StatusInternalServerError, err.Error())
}

func (c *call) namespaceUsed(u *state.InUseError) error {
	var bad []string
	if u.Tasks {
		bad = append(bad, fmt.Sprintf("namespace %q has non-terminal jobs in regions: [%s]", u.Namespace, c.api.Region),
			fmt.Sprintf("namespace %q has non-terminal allocations in regions: [%s]", u.Namespace, c.api.Region))
	}
	if u.Variables {
		bad = append(bad, fmt.Sprintf("namespace %q has variables associated with it in regions: [%s]", u.Namespace, c.api.Region))
	}
	return problems(bad)
}
