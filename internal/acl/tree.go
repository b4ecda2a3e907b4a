package acl

// maxDepth bounds how deep blocks and lists may nest. The language needs six.
const maxDepth = 32

type nodeKind uint8

const (
	nodeString nodeKind = iota
	nodeOther           // a number, true, false or null; no policy has one
	nodeList
	nodeBody
)

// node is a value in the text of a policy.
type node struct {
	kind  nodeKind
	text  string // of a nodeString its value, of a nodeOther as written
	list  []node
	items []item
	place place
}

// describe names the kind of value for an error.
func (n node) describe() string {
	switch n.kind {
	case nodeString:
		return "a string"
	case nodeList:
		return "a list"
	case nodeBody:
		return "a block"
	default:
		return n.text
	}
}

// item is one line of a body: an attribute (one key, assigned) or a block (a
// key and its labels).
type item struct {
	keys     []token
	assigned bool // written with = or, in JSON, :
	value    node
}

// parser builds the tree of a policy, knowing nothing of its words.
type parser struct {
	scan *scanner
	tok  token
}

func parseTree(src string) (node, *Error) {
	scan, err := newScanner(src)
	if err != nil {
		return node{}, err
	}
	p := &parser{scan: scan}
	if err := p.next(); err != nil {
		return node{}, err
	}
	if !scan.json {
		return p.body(0, tokenEnd, "")
	}
	root, err := p.value(0)
	if err != nil {
		return node{}, err
	}
	if p.tok.kind != tokenEnd {
		return node{}, p.tok.place.errorf("unexpected %s after the policy", p.tok.describe())
	}
	return root, nil
}

func (p *parser) next() (err *Error) {
	p.tok, err = p.scan.next()
	return err
}

// body reads items up to the closing token, which it consumes.
func (p *parser) body(depth int, kind tokenKind, closing string) (node, *Error) {
	n := node{kind: nodeBody, place: p.tok.place}
	for {
		switch {
		case p.tok.kind == kind && p.tok.text == closing:
			return n, p.next()
		case p.tok.kind == tokenEnd:
			return n, p.tok.place.errorf("unexpected end of the policy, expected %s", closing)
		case p.tok.kind != tokenWord && p.tok.kind != tokenString:
			return n, p.tok.place.errorf("unexpected %s, expected the name of a block or an attribute", p.tok.describe())
		}
		it, err := p.item(depth)
		if err != nil {
			return n, err
		}
		n.items = append(n.items, it)
		if p.tok.is(",") {
			if err := p.next(); err != nil {
				return n, err
			}
		}
	}
}

func (p *parser) item(depth int) (item, *Error) {
	var it item
	for p.tok.kind == tokenWord || p.tok.kind == tokenString {
		it.keys = append(it.keys, p.tok)
		if err := p.next(); err != nil {
			return it, err
		}
	}
	switch {
	case p.tok.is("{"):
	case (p.tok.is("=") || p.tok.is(":") && p.scan.json) && len(it.keys) == 1:
		it.assigned = true
		if err := p.next(); err != nil {
			return it, err
		}
	default:
		return it, p.tok.place.errorf("unexpected %s after %s, expected { or =", p.tok.describe(), it.keys[len(it.keys)-1].describe())
	}
	var err *Error
	it.value, err = p.value(depth + 1)
	return it, err
}

func (p *parser) value(depth int) (node, *Error) {
	t := p.tok
	n := node{text: t.text, place: t.place}
	switch {
	case depth > maxDepth:
		return n, t.place.errorf("nested more than %d deep", maxDepth)
	case t.kind == tokenString:
		return n, p.next()
	case t.kind == tokenNumber, t.kind == tokenWord && (t.text == "true" || t.text == "false" || t.text == "null"):
		n.kind = nodeOther
		return n, p.next()
	case t.is("{"):
		if err := p.next(); err != nil {
			return n, err
		}
		b, err := p.body(depth, tokenPunct, "}")
		b.place = t.place
		return b, err
	case t.is("["):
		return p.listValue(depth)
	case t.kind == tokenWord:
		return n, t.place.errorf("unexpected %s, expected a value; strings need quotes", t.text)
	default:
		return n, t.place.errorf("unexpected %s, expected a value", t.describe())
	}
}

func (p *parser) listValue(depth int) (node, *Error) {
	n := node{kind: nodeList, place: p.tok.place}
	if err := p.next(); err != nil {
		return n, err
	}
	for !p.tok.is("]") {
		v, err := p.value(depth + 1)
		if err != nil {
			return n, err
		}
		n.list = append(n.list, v)
		if p.tok.is(",") {
			if err := p.next(); err != nil {
				return n, err
			}
		} else if !p.tok.is("]") {
			return n, p.tok.place.errorf("unexpected %s in a list, expected a comma or ]", p.tok.describe())
		}
	}
	return n, p.next()
}
