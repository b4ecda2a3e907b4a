package httpapi

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/taskagent/taskagent/internal/acl"
	"github.com/taskagent/taskagent/internal/leader/state"
)

// policyStub is a policy in a list.
type policyStub struct {
	Name        string
	Description string
	JobACL      *state.JobACL
	Hash        []byte
	CreateIndex uint64
	ModifyIndex uint64
}

// policyJSON is a policy as clients see it.
type policyJSON struct {
	Name        string
	Description string
	Rules       string
	RulesJSON   *acl.Policy
	JobACL      *state.JobACL
	Hash        []byte
	CreateIndex uint64
	ModifyIndex uint64
}

func showPolicyStub(p *state.Policy) *policyStub {
	return &policyStub{Name: p.Name, Description: p.Description, JobACL: p.JobACL, Hash: p.Hash(),
		CreateIndex: p.CreateIndex, ModifyIndex: p.ModifyIndex}
}

// listPolicies answers /v1/acl/policies: all for a management token, one's own
// for others.
func (c *call) listPolicies() (any, error) {
	if err := c.get(); err != nil {
		return nil, err
	}
	return c.visiblePolicies()
}

// visiblePolicies lists what the caller may see.
func (c *call) visiblePolicies() ([]*policyStub, error) {
	var answer []*policyStub
	err := c.block(c.watchTable(state.TablePolicies), func(who *caller) (uint64, error) {
		index := c.api.Store.Index(state.TablePolicies)
		answer = []*policyStub{}
		for _, p := range c.api.Store.Policies() {
			if strings.HasPrefix(p.Name, c.prefix) && who.mayReadPolicy(p.Name) {
				answer = append(answer, showPolicyStub(p))
			}
		}
		c.setMeta(index)
		return index, nil
	})
	return answer, err
}

// ownPolicies answers /v1/acl/policy/self.
func (c *call) ownPolicies() (any, error) {
	if err := c.get(); err != nil {
		return nil, err
	}
	who, err := c.reader()
	if err != nil {
		return nil, err
	}
	if who.anonymous {
		return nil, errDenied
	}
	answer, err := c.visiblePolicies()
	if err != nil {
		return nil, err
	}
	if len(answer) == 0 {
		return rawJSON("null"), nil // as Nomad has it here, and only here
	}
	if who.workload != nil {
		// Nomad names those of the job before those of the whole namespace.
		slices.SortStableFunc(answer, func(a, b *policyStub) int {
			return cmp.Compare(wholeNamespace(a), wholeNamespace(b))
		})
	}
	return answer, nil
}

// wholeNamespace is 1 for a policy attached to a whole namespace, else 0.
func wholeNamespace(p *policyStub) int {
	if p.JobACL != nil && p.JobACL.JobID == "" {
		return 1
	}
	return 0
}

// policy answers /v1/acl/policy/….
func (c *call) policy() (any, error) {
	return c.named("/v1/acl/policy/", "Missing Policy Name", c.readPolicy, c.putPolicy, c.deletePolicy)
}

func (c *call) readPolicy(name string) (any, error) {
	var found *state.Policy
	watch := func() *state.Watcher { return c.api.Store.WatchOne(state.TablePolicies, name) }
	err := c.block(watch, func(who *caller) (uint64, error) {
		if name != anonymousPolicy && !who.mayReadPolicy(name) {
			return 0, errDenied
		}
		index := c.api.Store.Index(state.TablePolicies)
		if found = c.api.Store.Policy(name); found != nil {
			index = found.ModifyIndex
		}
		c.setMeta(index)
		return index, nil
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, coded(http.StatusNotFound, "ACL policy not found")
	}
	rules, err := acl.Parse(found.Rules)
	if err != nil {
		return nil, fmt.Errorf("read policy %q: %w", name, err)
	}
	return &policyJSON{Name: found.Name, Description: found.Description, Rules: found.Rules, RulesJSON: rules,
		JobACL: found.JobACL, Hash: found.Hash(), CreateIndex: found.CreateIndex, ModifyIndex: found.ModifyIndex}, nil
}

// policyBody is a policy as clients send it.
type policyBody struct {
	Name        string
	Description string
	Rules       string
	JobACL      *state.JobACL
	Hash        []byte // ignored, and refused where it is none
}

func (c *call) putPolicy(name string) (any, error) {
	var body policyBody
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if body.Name != name {
		return nil, badRequest("ACL policy name does not match request path")
	}
	if _, err := c.manager(); err != nil {
		return nil, err
	}
	if err := body.check(); err != nil {
		return nil, badRequest("policy 0 invalid: %v", err)
	}
	index, err := c.api.Store.PutPolicy(&state.Policy{Name: body.Name, Description: body.Description, Rules: body.Rules, JobACL: body.JobACL})
	if err != nil {
		return nil, err
	}
	c.setIndex(index)
	return nil, nil
}

// check refuses what a policy cannot be.
func (p *policyBody) check() error {
	var bad []string
	if !validName(p.Name) {
		bad = append(bad, fmt.Sprintf("invalid name '%s'", p.Name))
	}
	if _, err := acl.Parse(p.Rules); err != nil {
		bad = append(bad, fmt.Sprintf("failed to parse rules: %v", err))
	}
	if len(p.Description) > maxDescription {
		bad = append(bad, fmt.Sprintf("description longer than %d", maxDescription))
	}
	if p.JobACL != nil {
		if err := acl.Attachment(*p.JobACL).Validate(); err != nil {
			bad = append(bad, strings.Split(err.Error(), "\n")...)
		}
	}
	return problems(bad)
}

func (c *call) deletePolicy(name string) (any, error) {
	if _, err := c.manager(); err != nil {
		return nil, err
	}
	index, err := c.api.Store.DeletePolicy(name)
	if err != nil {
		return nil, err
	}
	c.setIndex(index)
	return nil, nil
}
