package jobspec

import (
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/wire"
)

// identitySchema is Nomad's identity block. service_name belongs to the
// identities Nomad makes for itself and means nothing in a file.
var identitySchema = schema{
	strict: true,
	attributes: []string{"name", "aud", "env", "file", "filepath", "ttl", "change_mode", "change_signal",
		"extra_claims"},
	ignoredAttributes: []string{"service_name"},
}

// readIdentities puts the task's identities into out, the default one first,
// whether it has a block or not.
func (t *task) readIdentities(out *Task) error {
	claims, err := t.claims()
	if err != nil {
		return err
	}
	first := identity.Spec{Name: identity.DefaultName}.Canonical()
	out.Identities = []wire.Identity{{Spec: first}}
	seen := make(map[string]bool)
	for _, b := range t.content.all("identity") {
		spec, err := readIdentity(b, out)
		if err != nil {
			return err
		}
		spec = spec.Canonical()
		if err := spec.Validate(); err != nil {
			return errorAt(b.place, "%v", err)
		}
		if seen[spec.Name] {
			return errorAt(b.place, "identity %q is given twice", spec.Name)
		}
		seen[spec.Name] = true
		if spec.IsDefault() {
			out.Identities[0].Spec = spec
		} else {
			out.Identities = append(out.Identities, wire.Identity{Spec: spec})
		}
	}
	claims.Apply(out.Identities)
	return nil
}

// readIdentity reads an identity block as it stands.
func readIdentity(b *block, out *Task) (spec identity.Spec, err error) {
	c, err := b.read(identitySchema)
	if err != nil {
		return spec, err
	}
	var mode string
	for _, attr := range []struct {
		name   string
		target *string
	}{{"name", &spec.Name}, {"filepath", &spec.Filepath}, {"change_mode", &mode}, {"change_signal", &spec.ChangeSignal}} {
		if *attr.target, err = c.text(attr.name); err != nil {
			return spec, err
		}
	}
	spec.ChangeMode = identity.ChangeMode(mode)
	if spec.Audience, err = c.texts("aud"); err != nil {
		return spec, err
	}
	if spec.Env, err = c.flag("env"); err != nil {
		return spec, err
	}
	if spec.File, err = c.flag("file"); err != nil {
		return spec, err
	}
	if spec.TTL, err = c.duration("ttl"); err != nil {
		return spec, err
	}
	if c.attributes["extra_claims"] != nil {
		out.warnAt(c.place("extra_claims"), "extra_claims come from a namespace of Nomad; they are left out")
	}
	return spec, nil
}

// duration evaluates a duration: text like "1h", or a number of nanoseconds.
func (c *content) duration(name string) (time.Duration, error) {
	attr := c.attributes[name]
	if attr == nil {
		return 0, nil
	}
	v, err := c.block.scope.eval(attr.Expr)
	if err != nil || v.IsNull() {
		return 0, err
	}
	switch v.Type() {
	case cty.String:
		d, err := time.ParseDuration(v.AsString())
		if err != nil {
			return 0, errorAt(attr.Expr.Range(), "%s %q is not a duration such as 30s, 15m or 1h", name, v.AsString())
		}
		return d, nil
	case cty.Number:
		if n, accuracy := v.AsBigFloat().Int64(); accuracy == 0 {
			return time.Duration(n), nil
		}
	}
	return 0, errorAt(attr.Expr.Range(), "%s must be a duration such as \"30s\", \"15m\" or \"1h\"", name)
}
