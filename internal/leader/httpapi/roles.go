package httpapi

import (
	"net/http"
	"strings"
)

// Roles, auth methods, binding rules and tokens for one use are not kept here.
// Clients that list or ask for them find none, and cannot make any.

// emptyList answers a list of what there is none of.
func (c *call) emptyList(managed bool) (any, error) {
	if err := c.get(); err != nil {
		return nil, err
	}
	who, err := c.reader()
	if err != nil {
		return nil, err
	}
	if managed && !who.acl.IsManagement() {
		return nil, errDenied
	}
	c.setMeta(1)
	return rawJSON("[]"), nil
}

func (c *call) listRoles() (any, error)        { return c.emptyList(false) }
func (c *call) listAuthMethods() (any, error)  { return c.emptyList(false) }
func (c *call) listBindingRules() (any, error) { return c.emptyList(true) }

// createRole answers /v1/acl/role.
func (c *call) createRole() (any, error) {
	if err := c.put(); err != nil {
		return nil, err
	}
	if _, err := c.manager(); err != nil {
		return nil, err
	}
	return nil, errNoRoles
}

var errNoRoles = coded(http.StatusNotImplemented, "taskagent has no ACL roles: name policies in the token, or attach them to a job")

// authMethod answers /v1/acl/auth-method/….
func (c *call) authMethod() (any, error) { return c.noneOfThat("ACL auth-method not found") }

// bindingRule answers /v1/acl/binding-rule/….
func (c *call) bindingRule() (any, error) { return c.noneOfThat("ACL binding rule not found") }

// noneOfThat answers what names a thing of a kind that is not kept here.
func (c *call) noneOfThat(missing string) (any, error) {
	if err := c.only(http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete); err != nil {
		return nil, err
	}
	if c.r.Method != http.MethodGet {
		return c.elsewhere()
	}
	if err := c.parse(); err != nil {
		return nil, err
	}
	if _, err := c.manager(); err != nil {
		return nil, err
	}
	c.setMeta(1)
	return nil, coded(http.StatusNotFound, missing)
}

// makeElsewhere answers what makes things that are not kept here: by PUT and POST
// only, and only a Nomad does.
func (c *call) makeElsewhere() (any, error) {
	if err := c.put(); err != nil {
		return nil, err
	}
	return c.elsewhere()
}

// role answers /v1/acl/role/….
func (c *call) role() (any, error) {
	id := strings.TrimPrefix(c.r.URL.Path, "/v1/acl/role/")
	if id == "" || id == "name/" {
		return nil, badRequest("missing ACL role ID")
	}
	if err := c.only(http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete); err != nil {
		return nil, err
	}
	if err := c.parse(); err != nil {
		return nil, err
	}
	if _, err := c.manager(); err != nil {
		return nil, err
	}
	if c.r.Method == http.MethodPut || c.r.Method == http.MethodPost {
		return nil, errNoRoles
	}
	c.setMeta(1)
	return nil, coded(http.StatusNotFound, "ACL role not found")
}
