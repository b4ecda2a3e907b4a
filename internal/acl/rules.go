package acl

import (
	"cmp"
	"slices"
	"strings"
)

// rule is all that the policies of a token say under one name or path.
type rule struct {
	namespace, name string // name is the path of a variable rule
	caps            capSet // what is granted: nothing when denied
	denied          bool
	parts           []part // where it comes from, in the order of the policies
}

// part is what one block of one policy contributes to a rule.
type part struct {
	policy string // its name
	caps   capSet
	place  place
	short  string // the block's policy attribute
}

func (r *rule) add(p part) {
	r.parts = append(r.parts, p)
	r.denied = r.denied || p.caps&denyBit != 0
	r.caps |= p.caps
	if r.denied {
		r.caps = 0
	}
}

// allows reports whether the rule, which may be nil, grants one of the bits.
func (r *rule) allows(bits capSet) bool { return r != nil && r.caps&bits&^denyBit != 0 }

// closerGlob orders globs: more literal characters first, then the greater
// text. The characters a glob leaves over are those of the name less its
// literal ones, so the order is the same for every name and the first match wins.
func closerGlob(a, b *rule) int {
	return cmp.Or(
		cmp.Compare(b.literals(), a.literals()),
		strings.Compare(b.namespace+"\x00"+b.name, a.namespace+"\x00"+a.name))
}

func (r *rule) literals() int {
	return len(r.namespace) + len(r.name) - strings.Count(r.namespace, "*") - strings.Count(r.name, "*")
}

func isGlob(name string) bool { return strings.Contains(name, "*") }

// match reports whether the name fits the pattern, in which * stands for any
// characters, also none.
func match(pattern, name string) bool {
	p, n := 0, 0
	star, resume := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			resume++
			p, n = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// ruleSet holds the rules of namespaces, node pools or host volumes by name.
type ruleSet struct {
	exact map[string]*rule
	globs []*rule
}

func (s *ruleSet) add(name string, p part) {
	if r := s.exact[name]; r != nil {
		r.add(p)
		return
	}
	if s.exact == nil {
		s.exact = make(map[string]*rule)
	}
	r := &rule{name: name}
	r.add(p)
	s.exact[name] = r
}

// finish moves the globs out of the map into their order.
func (s *ruleSet) finish() {
	for name, r := range s.exact {
		if isGlob(name) {
			s.globs = append(s.globs, r)
			delete(s.exact, name)
		}
	}
	slices.SortFunc(s.globs, closerGlob)
}

// find returns the rule that decides for the name, or nil.
func (s *ruleSet) find(name string) *rule {
	if r := s.exact[name]; r != nil {
		return r
	}
	for _, r := range s.globs {
		if match(r.name, name) {
			return r
		}
	}
	return nil
}

// allow reports whether the deciding rule grants one of the bits; for "*"
// whether any rule does.
func (s *ruleSet) allow(name string, bits capSet) bool {
	if name == "*" {
		return s.any(bits) != nil
	}
	return s.find(name).allows(bits)
}

// any returns a rule that grants one of the bits: the first by name of the
// exact ones, or else of the globs.
func (s *ruleSet) any(bits capSet) (found *rule) {
	for name, r := range s.exact {
		if r.allows(bits) && (found == nil || name < found.name) {
			found = r
		}
	}
	for _, r := range s.globs {
		if found == nil && r.allows(bits) {
			found = r
		}
	}
	return found
}

// variableKey is a namespace and a path.
type variableKey struct{ namespace, path string }

// variableRules holds the rules for variables. A rule is exact only when both
// its namespace and its path are.
type variableRules struct {
	byKey map[variableKey]*rule
	globs []*rule
}

func (s *variableRules) add(namespace, path string, p part) {
	key := variableKey{namespace, path}
	if r := s.byKey[key]; r != nil {
		r.add(p)
		return
	}
	if s.byKey == nil {
		s.byKey = make(map[variableKey]*rule)
	}
	r := &rule{namespace: namespace, name: path}
	r.add(p)
	s.byKey[key] = r
}

func (s *variableRules) finish() {
	for key, r := range s.byKey {
		if isGlob(key.namespace) || isGlob(key.path) {
			s.globs = append(s.globs, r)
			delete(s.byKey, key)
		}
	}
	slices.SortFunc(s.globs, closerGlob)
}

func (s *variableRules) exact(namespace, path string) *rule {
	if len(s.byKey) == 0 {
		return nil
	}
	return s.byKey[variableKey{namespace, path}]
}

func (s *variableRules) glob(namespace, path string) *rule {
	for _, r := range s.globs {
		if match(r.namespace, namespace) && match(r.name, path) {
			return r
		}
	}
	return nil
}

// mayList reports whether some rule could let a variable of the namespace be listed.
func (s *variableRules) mayList(namespace string) bool {
	list := variableWords.bit(VarList)
	for key, r := range s.byKey {
		if r.allows(list) && (namespace == "*" || key.namespace == namespace) {
			return true
		}
	}
	return slices.ContainsFunc(s.globs, func(r *rule) bool {
		return r.allows(list) && (namespace == "*" || match(r.namespace, namespace))
	})
}
