package acl

import "encoding/json"

// Policy is the parsed text of one ACL policy. Its JSON form is what Nomad's
// API shows as a policy's RulesJSON. It is not to be changed once parsed.
type Policy struct {
	Namespaces  []*NamespaceRule
	NodePools   []*NamedRule
	HostVolumes []*NamedRule
	Agent       *LevelRule
	Node        *LevelRule
	Operator    *CapabilityRule
	Sentinel    *CapabilityRule
	Quota       *LevelRule
	Plugin      *LevelRule
	// Raw is the text that was parsed.
	Raw string
}

// NamespaceRule is a namespace block. Name may hold * for any characters.
type NamespaceRule struct {
	Name   string
	Policy string // read, write, scale, deny or empty
	// Capabilities are those written, then those Policy stands for, then those
	// implied by others; as in Nomad one may appear twice.
	Capabilities []string
	Variables    *VariablesRule

	place place
}

// VariablesRule is the variables block of a namespace.
type VariablesRule struct{ Paths []*PathRule }

// PathRule is a path block of a variables block. PathSpec may hold *.
type PathRule struct {
	PathSpec string
	// Capabilities is just [deny] when deny is among those written; read brings list.
	Capabilities []string

	place place
}

// NamedRule is a node_pool or host_volume block. Name may hold *.
type NamedRule struct {
	Name         string
	Policy       string
	Capabilities []string

	place place
}

// LevelRule is an agent, node, quota or plugin block.
type LevelRule struct {
	Policy string

	place place
}

// CapabilityRule is an operator or sentinel block.
type CapabilityRule struct {
	Policy       string
	Capabilities []string

	place place
}

// MarshalJSON writes the policy as Nomad's RulesJSON.
func (p *Policy) MarshalJSON() ([]byte, error) {
	type plain Policy
	return json.Marshal(struct {
		*plain
		ExtraKeysHCL []string // Nomad has this field, always null once stored
	}{plain: (*plain)(p)})
}

// Empty reports whether the policy has no rule at all.
func (p *Policy) Empty() bool {
	return p.Namespaces == nil && p.NodePools == nil && p.HostVolumes == nil && p.Agent == nil && p.Node == nil &&
		p.Operator == nil && p.Sentinel == nil && p.Quota == nil && p.Plugin == nil
}

// Parse reads the text of a policy, in HCL or JSON. The empty text is a policy
// that grants nothing; a text of nothing but space and comments is refused, as
// Nomad does. Every error is an *Error.
func Parse(src string) (*Policy, error) {
	p := &Policy{Raw: src}
	if src == "" {
		return p, nil
	}
	root, err := parseTree(src)
	if err != nil {
		return nil, err
	}
	if err := p.decode(root); err != nil {
		return nil, err
	}
	if p.Empty() {
		return nil, place{1, 1}.errorf("the policy has no rule")
	}
	return p, nil
}
