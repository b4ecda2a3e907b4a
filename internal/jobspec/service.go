package jobspec

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/taskagent/taskagent/internal/wire"
)

// serviceSchema is Nomad's service block. Checks and Consul's mesh are not ours.
var serviceSchema = schema{
	strict:     true,
	attributes: []string{"name", "port", "address", "tags"},
	blocks:     map[string]int{"identity": 0},
	ignoredAttributes: []string{"provider", "task", "canary_tags", "enable_tag_override", "address_mode", "on_update", "cluster", "kind",
		"meta", "canary_meta", "tagged_addresses"},
	ignoredBlocks: []string{"check", "check_restart", "connect", "meta", "canary_meta", "tagged_addresses", "weights"},
}

// readServices puts the services with provider "nomad" into out, and their
// identities.
func (t *task) readServices(out *Task) error {
	if t.group.content != nil {
		for _, b := range t.group.content.all("service") {
			if err := t.readService(b, false, out); err != nil {
				return err
			}
		}
	}
	for _, b := range t.content.all("service") {
		if err := t.readService(b, true, out); err != nil {
			return err
		}
	}
	return nil
}

func (t *task) readService(b *block, ofTask bool, out *Task) error {
	head, err := b.read(schema{attributes: []string{"provider", "task", "name"}})
	if err != nil {
		return err
	}
	provider, err := head.text("provider")
	if err != nil {
		return err
	}
	switch provider {
	case "nomad":
	case "", "consul":
		out.warnAt(b.place, "this service has provider \"consul\" and is not registered; only those with provider \"nomad\" are")
		return nil
	default:
		return errorAt(head.place("provider"), "the provider of a service is \"nomad\" or \"consul\", not %q", provider)
	}
	owner, err := head.text("task")
	if err != nil {
		return err
	}
	if owner != "" && owner != t.name {
		out.warnAt(b.place, "this service is task %q's and is not registered with task %q", owner, t.name)
		return nil
	}
	c, err := b.read(serviceSchema)
	if err != nil {
		return err
	}
	s, label, err := t.serviceOf(c, ofTask, out)
	if err != nil {
		return err
	}
	out.Services = append(out.Services, s)
	if ofTask {
		owner = t.name
	}
	return t.readServiceIdentity(c, ofTask, owner, s.Name, label, out)
}

// serviceOf reads the service itself, and its port as the file has it.
func (t *task) serviceOf(c *content, ofTask bool, out *Task) (s wire.Service, label string, err error) {
	place, fallback := "group", t.group.job.name+"-"+t.group.name
	if ofTask {
		place, fallback = t.name, fallback+"-"+t.name
	}
	if s.Name, err = c.text("name"); err != nil {
		return s, "", err
	}
	if s.Name == "" {
		s.Name = fallback
	}
	s.Name, _ = replace(s.Name, func(name string) (string, bool) { return t.legacy(name, place) })
	if probe, _ := replace(s.Name, func(string) (string, bool) { return "x", true }); !validServiceName(probe) {
		return s, "", errorAt(c.place("name"), "the service name %q may only have letters, digits and dashes inside, at most 63", s.Name)
	}
	if s.Address, err = c.text("address"); err != nil {
		return s, "", err
	}
	if s.Tags, err = c.texts("tags"); err != nil {
		return s, "", err
	}
	if label, err = c.text("port"); err != nil || label == "" {
		return s, "", err
	}
	s.Port, err = t.port(label, ofTask, c.place("port"))
	if err != nil {
		return s, "", err
	}
	if s.Port == 0 {
		out.warnAt(c.place("port"), "port %q of service %q has neither static nor to, so Nomad would choose it; the service has port 0", label, s.Name)
	}
	return s, label, nil
}

// legacy resolves the four names that Nomad's servers put into a service's name.
func (t *task) legacy(name, place string) (string, bool) {
	switch name {
	case "JOB":
		return t.group.job.name, true
	case "TASKGROUP":
		return t.group.name, true
	case "TASK":
		return place, true
	case "BASE":
		return t.group.job.name + "-" + t.group.name + "-" + place, true
	default:
		return "", false
	}
}

// validServiceName is RFC 1123's label, as Nomad wants it.
func validServiceName(name string) bool {
	if name == "" || len(name) > 63 || name[0] == '-' || name[len(name)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-')
	})
}

// readServiceIdentity reads the identity block of a service.
func (t *task) readServiceIdentity(c *content, ofTask bool, owner, service, label string, out *Task) error {
	b, err := c.only("identity")
	if err != nil || b == nil {
		return err
	}
	spec, err := readIdentity(b, out)
	if err != nil {
		return err
	}
	if spec.Name == "" {
		spec.Name = "nomad-service_"
		if owner != "" {
			spec.Name += owner + "-"
		}
		spec.Name += service + "-" + label
	}
	if len(spec.Audience) == 0 {
		return errorAt(b.place, "the identity of service %q needs an audience: aud = […]", service)
	}
	spec.Service = service
	levels := []*content{t.content, t.group.content}
	if !ofTask {
		levels = levels[1:]
	}
	var claims Claims
	if claims.ConsulNamespace, err = consulNamespace(levels...); err != nil {
		return err
	}
	id := []wire.Identity{{Spec: spec.Canonical()}}
	claims.Apply(id)
	out.Identities = append(out.Identities, id...)
	return nil
}

// port returns the number of a service's port: the number itself, or of the
// port block with that label its static, else its to; 0 when it has neither.
func (t *task) port(label string, ofTask bool, place hcl.Range) (int, error) {
	if n, err := strconv.Atoi(label); err == nil {
		if n < 1 || n > 65535 {
			return 0, errorAt(place, "port %d is not between 1 and 65535", n)
		}
		return n, nil
	}
	for _, prefix := range []string{"${NOMAD_PORT_", "${NOMAD_HOST_PORT_", "${NOMAD_ALLOC_PORT_"} {
		if inner, ok := strings.CutPrefix(label, prefix); ok {
			label = strings.TrimSuffix(inner, "}")
		}
	}
	levels := []*content{t.group.content}
	if ofTask {
		resources, err := t.content.only("resources")
		if err != nil {
			return 0, err
		}
		if resources != nil {
			c, err := resources.read(schema{blocks: map[string]int{"network": 0}})
			if err != nil {
				return 0, err
			}
			levels = append(levels, c)
		}
	}
	for _, level := range levels {
		if level == nil {
			continue
		}
		for _, network := range level.all("network") {
			ports, err := network.read(schema{blocks: map[string]int{"port": 1}})
			if err != nil {
				return 0, err
			}
			for _, p := range ports.all("port") {
				if p.labels[0] == label {
					return portNumber(p)
				}
			}
		}
	}
	return 0, errorAt(place, "there is no port %q in the group's network", label)
}

// portNumber reads a port block.
func portNumber(b *block) (int, error) {
	c, err := b.read(schema{attributes: []string{"static", "to"}})
	if err != nil {
		return 0, err
	}
	for _, name := range []string{"static", "to"} {
		v, err := c.value(name, cty.Number)
		if err != nil {
			return 0, err
		}
		if v.IsNull() {
			continue
		}
		var n int
		if err := gocty.FromCtyValue(v, &n); err != nil || n < -1 || n > 65535 {
			return 0, errorAt(c.place(name), "%s of port %q is not a port number", name, b.labels[0])
		}
		if n > 0 { // 0 and, for to, -1 leave it to Nomad
			return n, nil
		}
	}
	return 0, nil
}

// validate checks what only the whole task shows. Identities whose names wait
// for the allocation are checked by Interpolate.
func (t *task) validate(out *Task) error {
	if err := validateIdentities(out.Identities, true); err != nil {
		return &Error{File: t.group.job.file.path, Line: t.content.block.place.Start.Line,
			Column: t.content.block.place.Start.Column, Message: fmt.Sprintf("task %q: %v", t.name, err)}
	}
	return nil
}
