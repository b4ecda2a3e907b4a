package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/taskagent/taskagent/internal/acl"
	"github.com/taskagent/taskagent/internal/leader/keyring"
	"github.com/taskagent/taskagent/internal/leader/state"
)

// keyring answers /v1/operator/keyring/…. Which of them it is, is decided by how
// the rest begins, as in Nomad.
func (c *call) keyring() (any, error) {
	rest := strings.TrimPrefix(c.r.URL.Path, "/v1/operator/keyring/")
	switch {
	case strings.HasPrefix(rest, "keys"):
		if err := c.get(); err != nil {
			return nil, err
		}
		return c.listKeys()
	case strings.HasPrefix(rest, "key"):
		force := false
		if v, ok := c.args()["force"]; ok {
			var err error
			if force, err = strconv.ParseBool(v[0]); err != nil {
				return nil, coded(http.StatusUnprocessableEntity, "invalid force parameter")
			}
		}
		if err := c.only(http.MethodDelete); err != nil {
			return nil, err
		}
		return c.removeKey(strings.TrimPrefix(rest, "key/"), force)
	case strings.HasPrefix(rest, "rotate"):
		if err := c.put(); err != nil {
			return nil, err
		}
		return c.rotateKeys()
	default:
		return nil, errMethod
	}
}

func (c *call) listKeys() (any, error) {
	var answer []keyring.Meta
	err := c.block(c.watchTable(state.TableKeys), func(who *caller) (uint64, error) {
		if !who.acl.AllowOperatorOp(acl.OperatorKeyringRead) {
			return 0, errDenied
		}
		index := c.api.Store.Index(state.TableKeys)
		answer = c.api.Keyring.List()
		c.setMeta(index)
		return index, nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// rotated is the answer to a rotation.
type rotated struct {
	Key   keyring.Meta
	Index uint64
}

func (c *call) rotateKeys() (any, error) {
	_, full := c.args()["full"]
	var publishAt time.Time
	if v := c.arg("publish_time"); v != "" {
		ns, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return nil, coded(http.StatusInternalServerError, "invalid publish_time: "+err.Error())
		}
		if ns != 0 {
			publishAt = time.Unix(0, ns)
		}
	}
	who, err := c.writer()
	if err != nil {
		return nil, err
	}
	if !who.acl.AllowOperatorOp(acl.OperatorKeyringRotate) {
		return nil, errDenied
	}
	meta, err := c.api.Keyring.Rotate(full, publishAt)
	if errors.Is(err, keyring.ErrFullLate) {
		return nil, coded(http.StatusInternalServerError, err.Error())
	}
	if err != nil {
		return nil, err
	}
	if full {
		if err := c.api.FinishRekeying(); err != nil {
			// The key is there and active; what could not be moved stays readable.
			c.api.log.Error("not everything could be encrypted anew; the old keys stay", "error", err)
		}
	}
	index := c.api.Store.Index(state.TableKeys)
	c.setIndex(index)
	return rotated{meta, index}, nil
}

// FinishRekeying encrypts with the active key what is still encrypted with a key
// that a full rotation has left, and lets go of those keys. The leader calls it
// at its start, in case the one before was killed in the middle of it.
func (a *API) FinishRekeying() error {
	var old []string
	for _, k := range a.Keyring.List() {
		if k.State == keyring.StateRekeying {
			old = append(old, k.KeyID)
		}
	}
	if old == nil {
		return nil
	}
	if err := a.Store.Reencrypt(); err != nil {
		return err
	}
	for _, id := range old {
		if err := a.Keyring.Rekeyed(id); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) removeKey(id string, force bool) (any, error) {
	who, err := c.writer()
	if err != nil {
		return nil, err
	}
	if !who.acl.AllowOperatorOp(acl.OperatorKeyringDelete) {
		return nil, errDenied
	}
	if id == "" {
		return nil, coded(http.StatusInternalServerError, "root key ID is required")
	}
	err = c.api.Keyring.Remove(id, force)
	for _, refusal := range []error{keyring.ErrNoKey, keyring.ErrActive, keyring.ErrInUse} {
		if errors.Is(err, refusal) {
			return nil, coded(http.StatusInternalServerError, refusal.Error())
		}
	}
	if err != nil {
		return nil, err
	}
	index := c.api.Store.Index(state.TableKeys)
	c.setIndex(index)
	return struct{ Index uint64 }{index}, nil
}
