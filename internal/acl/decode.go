package acl

import (
	"slices"
	"strings"
)

// block is an item of a body that is meant to be a block: its labels and body.
type block struct {
	word   string // what kind of block, as errors name it
	labels []token
	body   node
	place  place
}

// decode fills the policy from its tree.
func (p *Policy) decode(root node) *Error {
	for _, it := range root.items {
		var decode func(block) *Error
		labels := 0
		switch word := strings.ToLower(it.keys[0].text); word {
		case "namespace":
			labels, decode = 1, p.decodeNamespace
		case "node_pool":
			labels, decode = 1, func(b block) *Error { return decodeNamed(b, &p.NodePools, &nodePoolWords) }
		case "host_volume":
			labels, decode = 1, func(b block) *Error { return decodeNamed(b, &p.HostVolumes, &hostVolumeWords) }
		case "agent":
			decode = func(b block) *Error { return decodeLevel(b, &p.Agent, plainPolicies) }
		case "node":
			decode = func(b block) *Error { return decodeLevel(b, &p.Node, plainPolicies) }
		case "quota":
			decode = func(b block) *Error { return decodeLevel(b, &p.Quota, plainPolicies) }
		case "plugin":
			decode = func(b block) *Error { return decodeLevel(b, &p.Plugin, pluginPolicies) }
		case "operator":
			decode = func(b block) *Error { return decodeCapability(b, &p.Operator, &operatorWords) }
		case "sentinel":
			decode = func(b block) *Error { return decodeCapability(b, &p.Sentinel, &sentinelWords) }
		default:
			what := "block"
			if it.assigned && it.value.kind != nodeBody {
				what = "attribute"
			}
			return it.keys[0].place.errorf("unknown %s %q; the blocks are %s", what, it.keys[0].text, strings.Join(blockWords[:], ", "))
		}
		blocks, err := blocksOf(it, labels)
		if err != nil {
			return err
		}
		for _, b := range blocks {
			if err := decode(b); err != nil {
				return err
			}
		}
	}
	return nil
}

// blocksOf takes an item for a block with so many labels (0 or 1). JSON has no
// labels, so there the keys of an object are the labels, and a list of objects
// is a block written several times.
func blocksOf(it item, labels int) ([]block, *Error) {
	word := it.keys[0]
	if !it.assigned {
		switch got := it.keys[1:]; {
		case len(got) < labels:
			return nil, word.place.errorf("%s needs a name: %s \"…\" { … }", word.text, word.text)
		case len(got) > labels && labels == 0:
			return nil, got[0].place.errorf("%s takes no name: %s { … }", word.text, word.text)
		case len(got) > labels:
			return nil, got[1].place.errorf("%s takes one name, not also %q", word.text, got[1].text)
		}
		return []block{{word.text, it.keys[1:], it.value, word.place}}, nil
	}
	if it.value.kind == nodeOther && it.value.text == "null" {
		return nil, nil
	}
	objects := []node{it.value}
	if it.value.kind == nodeList {
		objects = it.value.list
	}
	var blocks []block
	for _, o := range objects {
		if o.kind != nodeBody {
			return nil, o.place.errorf("%s is a block, not %s", word.text, o.describe())
		}
		if labels == 0 {
			blocks = append(blocks, block{word.text, nil, o, word.place})
			continue
		}
		for _, named := range o.items {
			if len(named.keys) > 1 || named.value.kind != nodeBody && named.value.kind != nodeList {
				return nil, named.keys[0].place.errorf("%s needs a name: %s \"…\" { … }", word.text, word.text)
			}
			inner, err := blocksOf(item{keys: []token{word}, assigned: true, value: named.value}, 0)
			if err != nil {
				return nil, err
			}
			for _, b := range inner {
				blocks = append(blocks, block{word.text, named.keys, b.body, named.keys[0].place})
			}
		}
	}
	return blocks, nil
}

// attributes reads the attributes of a block into the targets, *string or
// *[]string, by name. An item that is no attribute goes to other, when there is one.
func (b block) attributes(targets map[string]any, other func(item) (bool, *Error)) (map[string]node, *Error) {
	seen := make(map[string]node, len(targets))
	for _, it := range b.body.items {
		key := it.keys[0]
		name := strings.ToLower(key.text)
		target, known := targets[name]
		if !known {
			if other != nil {
				if taken, err := other(it); taken || err != nil {
					if err != nil {
						return nil, err
					}
					continue
				}
			}
			what := "attribute"
			if !it.assigned {
				what = "block"
			}
			return nil, key.place.errorf("unknown %s %q in %s", what, key.text, b.word)
		}
		if !it.assigned {
			return nil, key.place.errorf("%s is an attribute: %s = …", key.text, key.text)
		}
		if _, twice := seen[name]; twice {
			return nil, key.place.errorf("%s is given twice in this %s block", key.text, b.word)
		}
		seen[name] = it.value
		switch target := target.(type) {
		case *string:
			if it.value.kind != nodeString {
				return nil, it.value.place.errorf("%s must be a string, not %s", key.text, it.value.describe())
			}
			*target = it.value.text
		case *[]string:
			if it.value.kind != nodeList {
				return nil, it.value.place.errorf("%s must be a list of strings, not %s", key.text, it.value.describe())
			}
			*target = make([]string, 0, len(it.value.list))
			for _, v := range it.value.list {
				if v.kind != nodeString {
					return nil, v.place.errorf("%s must be a list of strings, but %s is in it", key.text, v.describe())
				}
				*target = append(*target, v.text)
			}
		}
	}
	return seen, nil
}

// policyAndCapabilities reads the two attributes most blocks have, and adds
// the capabilities that the policy stands for.
func (b block) policyAndCapabilities(words *vocabulary, other func(item) (bool, *Error)) (policy string, caps []string, err *Error) {
	seen, err := b.attributes(map[string]any{"policy": &policy, "capabilities": &caps}, other)
	if err != nil {
		return "", nil, err
	}
	if policy != "" && !slices.Contains(plainPolicies, policy) {
		return "", nil, seen["policy"].place.errorf("unknown policy %q for %s; known are %s", policy, b.word, strings.Join(plainPolicies, ", "))
	}
	for i, c := range caps {
		if words.bit(c) == 0 {
			return "", nil, seen["capabilities"].list[i].place.errorf("%s", words.unknown(c))
		}
	}
	return policy, append(caps, words.expand(policy)...), nil
}

// name is the block's label, checked against the characters Nomad allows.
func (b block) name(more string) (string, *Error) {
	label := b.labels[0]
	if n := len(label.text); n < 1 || n > 128 {
		return "", label.place.errorf("a name of %s must have 1 to 128 characters", b.word)
	}
	for _, r := range label.text {
		if !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(more, r)) {
			return "", label.place.errorf("the name %q of %s has %q in it; allowed are letters, digits and %s", label.text, b.word, r, more)
		}
	}
	return label.text, nil
}

func (p *Policy) decodeNamespace(b block) *Error {
	r := &NamespaceRule{place: b.place}
	var err *Error
	if r.Name, err = b.name("-*"); err != nil {
		return err
	}
	r.Policy, r.Capabilities, err = b.policyAndCapabilities(&namespaceWords, func(it item) (bool, *Error) {
		if !strings.EqualFold(it.keys[0].text, "variables") {
			return false, nil
		}
		blocks, err := blocksOf(it, 0)
		for _, v := range blocks {
			if err == nil {
				err = r.decodeVariables(v)
			}
		}
		return true, err
	})
	if err != nil {
		return err
	}
	r.Capabilities = append(r.Capabilities, impliedByHostVolumes(r.Capabilities)...)
	p.Namespaces = append(p.Namespaces, r)
	return nil
}

func (r *NamespaceRule) decodeVariables(b block) *Error {
	if r.Variables == nil {
		r.Variables = new(VariablesRule)
	}
	_, err := b.attributes(nil, func(it item) (bool, *Error) {
		if !strings.EqualFold(it.keys[0].text, "path") {
			return false, nil
		}
		blocks, err := blocksOf(it, 1)
		for _, path := range blocks {
			if err == nil {
				err = r.Variables.decodePath(path)
			}
		}
		return true, err
	})
	if err == nil && len(r.Variables.Paths) == 0 {
		err = b.place.errorf("variables needs at least one path block: path \"…\" { capabilities = […] }")
	}
	return err
}

func (v *VariablesRule) decodePath(b block) *Error {
	label := b.labels[0]
	switch {
	case label.text == "":
		return label.place.errorf("the path of a variable is empty")
	case label.text[0] == '/':
		return label.place.errorf("the path %q of a variable starts with /", label.text)
	}
	r := &PathRule{PathSpec: label.text, place: b.place}
	seen, err := b.attributes(map[string]any{"capabilities": &r.Capabilities}, nil)
	if err != nil {
		return err
	}
	for i, c := range r.Capabilities {
		if variableWords.bit(c) == 0 {
			return seen["capabilities"].list[i].place.errorf("%s", variableWords.unknown(c))
		}
	}
	switch {
	case slices.Contains(r.Capabilities, Deny):
		r.Capabilities = []string{Deny}
	case slices.Contains(r.Capabilities, VarRead) && !slices.Contains(r.Capabilities, VarList):
		r.Capabilities = append(r.Capabilities, VarList)
	}
	v.Paths = append(v.Paths, r)
	return nil
}

func decodeNamed(b block, rules *[]*NamedRule, words *vocabulary) *Error {
	r := &NamedRule{place: b.place}
	var err *Error
	if r.Name, err = b.name(words.nameChars); err != nil {
		return err
	}
	if r.Policy, r.Capabilities, err = b.policyAndCapabilities(words, nil); err != nil {
		return err
	}
	*rules = append(*rules, r)
	return nil
}

func decodeLevel(b block, rule **LevelRule, policies []string) *Error {
	if *rule != nil {
		return b.place.errorf("%s is given twice; it may appear once", b.word)
	}
	r := &LevelRule{place: b.place}
	seen, err := b.attributes(map[string]any{"policy": &r.Policy}, nil)
	if err != nil {
		return err
	}
	value, given := seen["policy"]
	if !given {
		return b.place.errorf("%s needs a policy: one of %s", b.word, strings.Join(policies, ", "))
	}
	if !slices.Contains(policies, r.Policy) {
		return value.place.errorf("unknown policy %q for %s; known are %s", r.Policy, b.word, strings.Join(policies, ", "))
	}
	*rule = r
	return nil
}

func decodeCapability(b block, rule **CapabilityRule, words *vocabulary) *Error {
	if *rule != nil {
		return b.place.errorf("%s is given twice; it may appear once", b.word)
	}
	r := &CapabilityRule{place: b.place}
	var err *Error
	if r.Policy, r.Capabilities, err = b.policyAndCapabilities(words, nil); err != nil {
		return err
	}
	*rule = r
	return nil
}
