package acl

import (
	"fmt"
	"slices"
	"strings"
)

// The names of what decides besides a policy of one's own.
const (
	PolicyManagement = "management"
	PolicyImplicit   = "implicit workload policy"
)

// Decision says whether something is allowed and what decided it.
type Decision struct {
	Allowed bool
	// Policy is the deciding policy's name, PolicyManagement, PolicyImplicit, or
	// empty when no rule matches. Of several that agree it is the first.
	Policy string
	// Rule is the deciding rule as it stands in the policy, on one line, with the
	// line number; empty when there is none.
	Rule string
	// Reason is one sentence for people.
	Reason string
}

// ExplainVariable decides as AllowVariable does and says which rule did.
func (a *ACL) ExplainVariable(op, namespace, path string) Decision {
	what := fmt.Sprintf("%s of variable %q in namespace %q", op, path, namespace)
	bit := variableWords.bit(op) &^ denyBit
	switch {
	case a == nil:
		return Decision{Reason: "no token, no policy"}
	case a.management:
		return managementDecision
	case bit == 0:
		return Decision{Reason: fmt.Sprintf("%q is nothing that can be done to a variable; known are list, read, write, destroy", op)}
	}
	if r := a.variables.exact(namespace, path); r != nil {
		return r.decide(&variableWords, bit, what, "the rule for exactly this path decides")
	}
	own := a.isOwn(namespace, path)
	if own && ownCaps&bit != 0 {
		return Decision{Allowed: true, Policy: PolicyImplicit, Rule: ownRule(namespace, path),
			Reason: "a workload may list and read the variables of its own job, group and task"}
	}
	if r := a.variables.glob(namespace, path); r != nil {
		return r.decide(&variableWords, bit, what, "the closest glob decides")
	}
	d := Decision{Reason: "no variables rule matches " + what[len(op)+len(" of "):]}
	if own {
		d.Policy, d.Rule = PolicyImplicit, ownRule(namespace, path)
		d.Reason = fmt.Sprintf("the implicit workload policy lets a workload list and read this path, and no other rule grants %s", op)
	}
	if r := a.namespaces.find(namespace); r != nil && r.parts[0].short != "" {
		d.Reason += fmt.Sprintf("; policy = %q on a namespace grants no variables", r.parts[0].short)
	}
	return d
}

// ownRule is the implicit policy's rule for a path, written like any other.
func ownRule(namespace, path string) string {
	return fmt.Sprintf("namespace %q → variables path %q [list, read]", namespace, path)
}

// ExplainNamespaceOp decides as AllowNamespaceOp does and says which rule did.
func (a *ACL) ExplainNamespaceOp(namespace, capability string) Decision {
	what := fmt.Sprintf("%s in namespace %q", capability, namespace)
	bit := namespaceWords.bit(capability) &^ denyBit
	switch {
	case a == nil:
		return Decision{Reason: "no token, no policy"}
	case a.management:
		return managementDecision
	case bit == 0:
		return Decision{Reason: namespaceWords.unknown(capability)}
	case namespace == "*":
		if r := a.namespaces.any(bit); r != nil {
			return r.decide(&namespaceWords, bit, what, "one namespace that grants it is enough to ask for all; the answer is filtered")
		}
		return Decision{Reason: fmt.Sprintf("no rule grants %s in any namespace", capability)}
	}
	r := a.namespaces.find(namespace)
	switch {
	case r == nil:
		return Decision{Reason: "no rule matches namespace " + fmt.Sprintf("%q", namespace)}
	case isGlob(r.name):
		return r.decide(&namespaceWords, bit, what, "the closest glob decides")
	default:
		return r.decide(&namespaceWords, bit, what, "the rule for exactly this namespace decides")
	}
}

var managementDecision = Decision{Allowed: true, Policy: PolicyManagement, Reason: "a management token may do everything"}

// decide explains what the rule says about the one capability.
func (r *rule) decide(words *vocabulary, bit capSet, what, why string) Decision {
	d := Decision{Allowed: r.allows(bit)}
	wanted := bit
	if r.denied {
		wanted = denyBit
	}
	from := r.parts[0]
	if i := slices.IndexFunc(r.parts, func(p part) bool { return p.caps&wanted != 0 }); i >= 0 {
		from = r.parts[i]
	}
	d.Policy, d.Rule = from.policy, r.describe(words, from)
	switch {
	case r.denied:
		d.Reason = fmt.Sprintf("%s, and it denies everything", why)
	case d.Allowed:
		d.Reason = why
	default:
		d.Reason = fmt.Sprintf("%s, and it does not grant %s", why, what)
		if len(r.parts) > 1 {
			d.Reason += ", nor do the other policies with the same rule"
		}
	}
	return d
}

// describe writes the part of the rule as `namespace "default" → variables path
// "a/*" [list, read] (line 3)`.
func (r *rule) describe(words *vocabulary, p part) string {
	var b strings.Builder
	if words == &variableWords {
		fmt.Fprintf(&b, "namespace %q → variables path %q", r.namespace, r.name)
	} else {
		fmt.Fprintf(&b, "%s %q", words.what, r.name)
	}
	if p.short != "" {
		fmt.Fprintf(&b, " policy = %q", p.short)
	} else {
		fmt.Fprintf(&b, " [%s]", strings.Join(words.names(p.caps), ", "))
	}
	if p.place.line > 0 {
		fmt.Fprintf(&b, " (line %d)", p.place.line)
	}
	return b.String()
}
