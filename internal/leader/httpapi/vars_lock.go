package httpapi

import (
	"errors"
	"net/http"

	"github.com/taskagent/taskagent/internal/acl"
	"github.com/taskagent/taskagent/internal/leader/state"
)

// What may be done to a variable's lock, as parameters of the query string.
const (
	lockAcquire = "lock-acquire"
	lockRenew   = "lock-renew"
	lockRelease = "lock-release"
)

// lockOperation returns which of them is asked for, empty when none is.
func (c *call) lockOperation() (op string, err error) {
	args := c.args()
	for _, name := range []string{lockAcquire, lockRenew, lockRelease} {
		if _, ok := args[name]; !ok {
			continue
		}
		if op != "" {
			return "", badRequest("multiple lock operations")
		}
		op = name
	}
	return op, nil
}

// acquireLock creates or replaces a variable and takes a lock on it.
func (c *call) acquireLock(body *variableBody) (any, error) {
	who, err := c.permit(acl.VarWrite, body)
	if err != nil {
		c.setIndex(0)
		return nil, err
	}
	if body.Lock == nil {
		body.Lock = new(lockBody)
	}
	lock := body.Lock.canonical()
	if err := body.checkAcquire(lock); err != nil {
		c.setIndex(0)
		return nil, badRequest("%s%v", rpcPrefix, err)
	}
	items := encodeItems(body.Items)
	m, err := c.api.Store.AcquireLock(state.Write{Namespace: body.Namespace, Path: body.Path, Items: items, Lock: lock})
	if conflict, ok := errors.AsType[*state.ConflictError](err); ok {
		return c.conflict(who, conflict), nil // Nomad sets the index too late
	}
	if err != nil {
		return nil, err
	}
	c.setIndex(m.ModifyIndex)
	return written(&m, items), nil
}

// renewLock gives the holder of a lock its full time again. The namespace is that
// of the query string alone.
func (c *call) renewLock(body *variableBody) (any, error) {
	body.Namespace = ""
	if _, err := c.permit(acl.VarWrite, body); err != nil {
		return nil, err
	}
	if body.Lock == nil || body.Lock.ID == "" {
		return nil, coded(http.StatusInternalServerError, problems([]string{"missing lock ID"}).Error())
	}
	m, err := c.api.Store.RenewLock(body.Namespace, body.Path, body.Lock.ID)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return nil, coded(http.StatusNotFound, "variable doesn't exist")
	case errors.Is(err, state.ErrNoLock):
		return nil, coded(http.StatusConflict, "variable doesn't hold a lock")
	case errors.Is(err, state.ErrWrongLock):
		return nil, coded(http.StatusConflict, "attempting to modify locked variable")
	case err != nil:
		return nil, err
	}
	return written(&m, nil), nil
}

// releaseLock takes a lock off its variable.
func (c *call) releaseLock(body *variableBody) (any, error) {
	who, err := c.permit(acl.VarWrite, body)
	if err == nil {
		err = checkRelease(body)
	}
	if err != nil {
		c.setIndex(0)
		return nil, err
	}
	m, err := c.api.Store.ReleaseLock(body.Namespace, body.Path, body.Lock.ID)
	if conflict, ok := errors.AsType[*state.ConflictError](err); ok {
		return c.conflict(who, conflict), nil
	}
	switch {
	case errors.Is(err, state.ErrNotFound):
		c.setIndex(0)
		return nil, coded(http.StatusInternalServerError, "variable doesn't exist")
	case errors.Is(err, state.ErrNoLock):
		c.setIndex(0)
		return nil, coded(http.StatusInternalServerError, "variable doesn't hold a lock")
	case err != nil:
		return nil, err
	}
	c.setIndex(m.ModifyIndex)
	return written(&m, nil), nil
}

func checkRelease(body *variableBody) error {
	switch {
	case body.Lock == nil || body.Lock.ID == "":
		return badRequest(rpcPrefix + "missing lock information")
	case body.Items != nil:
		return badRequest(rpcPrefix + "lock release operation doesn't take variable items")
	}
	if err := checkPath(body.Path); err != nil {
		return badRequest("%v", err)
	}
	return nil
}
