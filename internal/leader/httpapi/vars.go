package httpapi

import (
	"net/http"
	"strings"

	"github.com/taskagent/taskagent/internal/acl"
	"github.com/taskagent/taskagent/internal/leader/state"
)

// parseTwice is what Nomad's variable endpoints add to what is wrong with a
// parameter.
func parseTwice(c *call) error {
	if err := c.parse(); err != nil {
		return badRequest("%vfailed to parse parameters", err)
	}
	return nil
}

// variable answers /v1/var/….
func (c *call) variable() (any, error) {
	path := strings.TrimPrefix(c.r.URL.Path, "/v1/var/")
	if path == "" {
		return nil, badRequest("missing variable path")
	}
	switch c.r.Method {
	case http.MethodGet:
		return c.readVariable(path)
	case http.MethodPut, http.MethodPost:
		return c.writeVariable(path)
	case http.MethodDelete:
		return c.deleteVariable(path)
	default:
		return nil, badRequest("Invalid method")
	}
}

// readVariable answers GET.
func (c *call) readVariable(path string) (any, error) {
	if err := parseTwice(c); err != nil {
		return nil, err
	}
	var answer rawJSON
	watch := func() *state.Watcher {
		return c.api.Store.WatchOne(state.TableVariables, state.Key(c.namespace, path))
	}
	err := c.block(watch, func(who *caller) (uint64, error) {
		if !who.acl.AllowVariable(acl.VarRead, c.namespace, path) {
			return 0, errDenied
		}
		answer = nil
		index := c.api.Store.Index(state.TableVariables)
		v, err := c.api.Store.Variable(c.namespace, path)
		if err != nil {
			return 0, err
		}
		if v != nil {
			index = v.ModifyIndex
			answer = appendVariable(make([]byte, 0, 192+len(v.Items)), &v.VariableMeta, v.Items, who.acl.IsManagement())
		}
		c.setMeta(index)
		return index, nil
	})
	if err != nil {
		return nil, err
	}
	if answer == nil {
		return nil, coded(http.StatusNotFound, "variable not found")
	}
	return answer, nil
}

// listVariables answers /v1/vars. It never fails for want of permission: what may
// not be listed is left out.
func (c *call) listVariables() (any, error) {
	if err := c.get(); err != nil {
		return nil, err
	}
	if err := parseTwice(c); err != nil {
		return nil, err
	}
	prefix := state.Key(c.namespace, c.prefix)
	if c.namespace == allNamespaces {
		prefix = ""
	}
	watch := func() *state.Watcher { return c.api.Store.Watch(state.TableVariables, prefix) }
	var answer rawJSON
	err := c.block(watch, func(who *caller) (index uint64, err error) {
		index = c.api.Store.Index(state.TableVariables)
		if answer, err = c.variablePage(who); err != nil {
			return 0, err
		}
		c.setMeta(index)
		return index, nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// variablePage writes one page of what the caller may list.
func (c *call) variablePage(who *caller) (rawJSON, error) {
	page, err := c.newPager()
	if err != nil {
		return nil, err
	}
	answer := rawJSON{'['}
	var failed error
	err = c.api.Store.VisitVariables(c.namespace, c.prefix, func(m *state.VariableMeta) bool {
		if !who.acl.AllowVariable(acl.VarList, m.Namespace, m.Path) {
			return true
		}
		take, full, err := page.offer(pathToken{m.Namespace, m.Path}, func() any { return filterable(m) })
		if failed = err; failed != nil || full {
			return false
		}
		if take {
			if len(answer) > 1 {
				answer = append(answer, ',')
			}
			answer = appendVariable(answer, m, nil, who.acl.IsManagement())
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, failed
	}
	c.setNextToken(page.next)
	return append(answer, ']'), nil
}

// filterVariable is what a filter sees of a variable. Nomad's filters see its
// struct as it is in Go, so the path is VariableMetadata.Path to them.
type filterVariable struct {
	VariableMetadata filterMeta
	VariableData     filterData
}

// someData stands for what is encrypted: to filters it is there, and no more.
var someData = []byte{0}

type filterData struct {
	Data  []byte
	KeyID string
}

type filterMeta struct {
	Namespace   string
	Path        string
	Lock        *state.Lock
	CreateIndex uint64
	CreateTime  int64
	ModifyIndex uint64
	ModifyTime  int64
}

func filterable(m *state.VariableMeta) *filterVariable {
	return &filterVariable{
		VariableMetadata: filterMeta{
			Namespace: m.Namespace, Path: m.Path, Lock: m.Lock,
			CreateIndex: m.CreateIndex, CreateTime: m.CreateTime, ModifyIndex: m.ModifyIndex, ModifyTime: m.ModifyTime,
		},
		VariableData: filterData{Data: someData, KeyID: m.KeyID},
	}
}
