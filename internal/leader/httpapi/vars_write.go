package httpapi

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/taskagent/taskagent/internal/acl"
	"github.com/taskagent/taskagent/internal/leader/state"
)

// Nomad checks a write behind its RPC and wraps what it finds twice.
const rpcPrefix = "RPC Error:: 400,"

// writeVariable answers PUT and POST.
func (c *call) writeVariable(path string) (any, error) {
	op, err := c.lockOperation()
	if err != nil {
		return nil, err
	}
	if op != "" && c.arg("cas") != "" {
		return nil, badRequest("CAS can't be used with lock operations")
	}
	var body variableBody
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if op == "" && len(body.Items) == 0 {
		return nil, badRequest("variable missing required Items object")
	}
	body.Path = path
	switch op {
	case lockRenew:
		return c.renewLock(&body)
	case lockAcquire:
		return c.acquireLock(&body)
	case lockRelease:
		return c.releaseLock(&body)
	}
	cas, err := c.cas()
	if err != nil {
		return nil, err
	}
	return c.setVariable(&body, cas)
}

// cas returns the index a write is bound to, nil when it is not.
func (c *call) cas() (*uint64, error) {
	v := c.arg("cas")
	if v == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return nil, badRequest("can not parse cas: %v", err)
	}
	return &n, nil
}

// permit finds out who writes, and whether that one may do this to the variable.
// The namespace is the body's, or else that of the query string.
func (c *call) permit(op string, body *variableBody) (*caller, error) {
	if body.Namespace == "" {
		body.Namespace = c.targetNamespace()
	}
	who, err := c.writer()
	if err != nil {
		return nil, err
	}
	if !who.bare.AllowVariable(op, body.Namespace, body.Path) {
		return nil, errDenied
	}
	return who, nil
}

// setVariable creates or replaces a variable.
func (c *call) setVariable(body *variableBody, cas *uint64) (any, error) {
	c.setIndex(0) // as Nomad has it on errors
	who, err := c.permit(acl.VarWrite, body)
	if err != nil {
		return nil, err
	}
	if l := body.Lock; l != nil && (l.TTL != 0 || l.LockDelay != 0) {
		return nil, badRequest(rpcPrefix + rpcPrefix + "variable should not contain lock definition")
	}
	lock := body.Lock.canonical()
	if err := body.checkSet(lock); err != nil {
		return nil, badRequest("%s%v", rpcPrefix, err)
	}
	items := encodeItems(body.Items)
	m, err := c.api.Store.PutVariable(state.Write{Namespace: body.Namespace, Path: body.Path, Items: items, CAS: cas, Lock: lock})
	if conflict, ok := errors.AsType[*state.ConflictError](err); ok {
		c.setIndex(conflict.Current.ModifyIndex)
		return c.conflict(who, conflict), nil
	}
	if err != nil {
		return nil, err
	}
	c.setIndex(m.ModifyIndex)
	return written(&m, items), nil
}

// written is the answer to a write that was done. Whoever wrote may see it, the
// lock too: it is the writer's.
func written(m *state.VariableMeta, items []byte) rawJSON {
	return appendVariable(make([]byte, 0, 256+len(items)), m, items, true)
}

// conflict is the answer to a write that found the variable other than expected:
// as it is, without its items for those who may not read it, and without its lock
// for all but the operator: knowing a lock's id is holding it.
func (c *call) conflict(who *caller, e *state.ConflictError) any {
	v := e.Current
	lock := who.bare.IsManagement()
	if !who.bare.AllowVariable(acl.VarRead, v.Namespace, v.Path) {
		v.Items = nil
		if e.Unlocking {
			v.Lock, lock = &state.Lock{}, true // an empty one, as Nomad has it
		}
	}
	return withStatus{http.StatusConflict, rawJSON(appendVariable(nil, &v.VariableMeta, v.Items, lock))}
}

// deleteVariable answers DELETE.
func (c *call) deleteVariable(path string) (any, error) {
	cas, err := c.cas()
	if err != nil {
		return nil, err
	}
	c.setIndex(0)
	body := &variableBody{Path: path}
	who, err := c.permit(acl.VarDestroy, body)
	if err != nil {
		return nil, err
	}
	index, err := c.api.Store.DeleteVariable(body.Namespace, path, cas)
	if conflict, ok := errors.AsType[*state.ConflictError](err); ok {
		c.setIndex(conflict.Current.ModifyIndex)
		return c.conflict(who, conflict), nil
	}
	if err != nil {
		return nil, err
	}
	c.setIndex(index)
	return withStatus{http.StatusNoContent, nil}, nil
}
