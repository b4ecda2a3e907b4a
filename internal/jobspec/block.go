package jobspec

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// block is a block of the job file, written out or made by a dynamic one.
type block struct {
	scope  *scope
	kind   string
	labels []string
	body   hcl.Body
	place  hcl.Range
}

// schema says what is read from a body: attributes, and blocks with their
// number of labels (0 or 1).
type schema struct {
	attributes []string
	blocks     map[string]int
	// strict refuses whatever else is in the body but the ignored.
	strict            bool
	ignoredAttributes []string
	ignoredBlocks     []string
}

// content is what was found of a schema.
type content struct {
	block      *block
	attributes hcl.Attributes
	blocks     []*block
}

// dynamicBlock is the block that makes others, its label naming their kind.
var dynamicBlock = hcl.BlockHeaderSchema{Type: "dynamic", LabelNames: []string{"type"}}

// read finds the schema's attributes and blocks, dynamic ones expanded. It
// evaluates nothing but what the dynamic blocks in question need.
func (b *block) read(s schema) (*content, error) {
	want := &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{dynamicBlock}}
	for _, name := range slices.Concat(s.attributes, s.ignoredAttributes) {
		want.Attributes = append(want.Attributes, hcl.AttributeSchema{Name: name})
	}
	for kind, labels := range s.blocks {
		want.Blocks = append(want.Blocks, hcl.BlockHeaderSchema{Type: kind, LabelNames: []string{"name"}[:labels]})
	}
	for _, kind := range s.ignoredBlocks {
		want.Blocks = append(want.Blocks, hcl.BlockHeaderSchema{Type: kind})
	}
	var found *hcl.BodyContent
	var diags hcl.Diagnostics
	if s.strict {
		found, diags = b.body.Content(want)
	} else {
		found, _, diags = b.body.PartialContent(want)
	}
	if err := fromDiags(diags); err != nil {
		return nil, err
	}
	c := &content{block: b, attributes: found.Attributes}
	for _, inner := range found.Blocks {
		if inner.Type == "dynamic" {
			if _, wanted := s.blocks[inner.Labels[0]]; !wanted {
				continue
			}
			made, err := b.scope.expand(inner, s.blocks[inner.Labels[0]])
			if err != nil {
				return nil, err
			}
			c.blocks = append(c.blocks, made...)
			continue
		}
		if _, wanted := s.blocks[inner.Type]; wanted {
			c.blocks = append(c.blocks, &block{b.scope, inner.Type, inner.Labels, inner.Body, inner.DefRange})
		}
	}
	return c, nil
}

// expand makes the blocks of a dynamic one.
func (s *scope) expand(d *hcl.Block, labels int) ([]*block, error) {
	found, diags := d.Body.Content(&hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "for_each", Required: true}, {Name: "iterator"}, {Name: "labels"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "content"}},
	})
	if err := fromDiags(diags); err != nil {
		return nil, err
	}
	if len(found.Blocks) != 1 {
		return nil, errorAt(d.DefRange, "a dynamic block needs one content block")
	}
	inner := found.Blocks[0]
	iterator := d.Labels[0]
	if attr := found.Attributes["iterator"]; attr != nil {
		if iterator = hcl.ExprAsKeyword(attr.Expr); iterator == "" {
			return nil, errorAt(attr.Range, "iterator must be a name")
		}
	}
	each := found.Attributes["for_each"]
	values, err := s.eval(each.Expr)
	if err != nil {
		return nil, err
	}
	if values.IsNull() || !values.CanIterateElements() {
		return nil, errorAt(each.Expr.Range(), "for_each must be a list, a set or a map")
	}
	var made []*block
	for it := values.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if values.Type().IsSetType() {
			key = value
		}
		b := &block{
			scope: s.with(iterator, cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})),
			kind:  d.Labels[0], body: inner.Body, place: d.DefRange,
		}
		if attr := found.Attributes["labels"]; attr != nil {
			if b.labels, err = b.scope.strings(attr.Expr, "labels"); err != nil {
				return nil, err
			}
		}
		switch {
		case len(b.labels) == labels:
		case labels == 0:
			return nil, errorAt(d.DefRange, "a dynamic block for %q takes no labels", b.kind)
		default:
			return nil, errorAt(d.DefRange, "a dynamic block for %q needs one label: labels = [\"NAME\"]", b.kind)
		}
		made = append(made, b)
	}
	return made, nil
}

// only returns the one block of the kind, nil when there is none, and refuses a second.
func (c *content) only(kind string) (*block, error) {
	var found *block
	for _, b := range c.blocks {
		if b.kind != kind {
			continue
		}
		if found != nil {
			return nil, errorAt(b.place, "a second %s block", kind)
		}
		found = b
	}
	return found, nil
}

// all returns the blocks of the kind, in their order.
func (c *content) all(kind string) []*block {
	var found []*block
	for _, b := range c.blocks {
		if b.kind == kind {
			found = append(found, b)
		}
	}
	return found
}

// place is where the attribute's value stands, or else the block.
func (c *content) place(name string) hcl.Range {
	if attr := c.attributes[name]; attr != nil {
		return attr.Expr.Range()
	}
	return c.block.place
}

// value evaluates an attribute as the type; null when it is absent.
func (c *content) value(name string, typ cty.Type) (cty.Value, error) {
	attr := c.attributes[name]
	if attr == nil {
		return cty.NullVal(typ), nil
	}
	return c.block.scope.as(attr.Expr, name, typ)
}

// text evaluates a string attribute; empty when absent or null.
func (c *content) text(name string) (string, error) {
	v, err := c.value(name, cty.String)
	if err != nil || v.IsNull() {
		return "", err
	}
	return v.AsString(), nil
}

// flag evaluates a bool attribute; false when absent or null.
func (c *content) flag(name string) (bool, error) {
	v, err := c.value(name, cty.Bool)
	return err == nil && !v.IsNull() && v.True(), err
}

// texts evaluates a list of strings; nil when absent or null.
func (c *content) texts(name string) ([]string, error) {
	attr := c.attributes[name]
	if attr == nil {
		return nil, nil
	}
	return c.block.scope.strings(attr.Expr, name)
}

// as evaluates an expression and converts it to the type.
func (s *scope) as(expr hcl.Expression, name string, typ cty.Type) (cty.Value, error) {
	v, err := s.eval(expr)
	if err != nil {
		return v, err
	}
	v, err = convert.Convert(v, typ)
	if err != nil {
		return v, errorAt(expr.Range(), "%s has an unsuitable value: %s", name, oneLine(err.Error()))
	}
	return v, nil
}

// strings evaluates an expression as a list of strings.
func (s *scope) strings(expr hcl.Expression, name string) ([]string, error) {
	v, err := s.as(expr, name, cty.List(cty.String))
	if err != nil || v.IsNull() {
		return nil, err
	}
	var out []string
	for it := v.ElementIterator(); it.Next(); {
		_, item := it.Element()
		if item.IsNull() {
			return nil, errorAt(expr.Range(), "%s has a null in it", name)
		}
		out = append(out, item.AsString())
	}
	return out, nil
}
