package jobspec

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// file is a parsed job file: what its expressions may refer to, and its job.
type file struct {
	path      string
	jobs      hcl.Blocks
	given     map[string]string // the values of -var
	variables map[string]*variable
	locals    map[string]*local
	functions map[string]function.Function // made when first needed
}

// local is one line of a locals block.
type local struct {
	expr    hcl.Expression
	place   hcl.Range
	busy    bool // being evaluated: meeting it again is a circle
	value   *cty.Value
	failure error
}

// newFile finds the declarations of a job file; it evaluates none of them.
func newFile(path string, body hcl.Body, vars map[string]string) (*file, error) {
	content, _, diags := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "job", LabelNames: []string{"name"}},
		{Type: "variable", LabelNames: []string{"name"}},
		{Type: "variables"},
		{Type: "locals"},
	}})
	if err := fromDiags(diags); err != nil {
		return nil, err
	}
	f := &file{path: path, given: vars, variables: make(map[string]*variable), locals: make(map[string]*local)}
	for _, b := range content.Blocks {
		var err error
		switch b.Type {
		case "job":
			f.jobs = append(f.jobs, b)
		case "variable":
			err = f.declare(b.Labels[0], &variable{body: b.Body, place: b.DefRange})
		case "variables":
			attrs, diags := b.Body.JustAttributes()
			if err := fromDiags(diags); err != nil {
				return nil, err
			}
			for _, name := range sortedKeys(attrs) {
				if err := f.declare(name, &variable{preset: attrs[name].Expr, place: attrs[name].NameRange}); err != nil {
					return nil, err
				}
			}
		case "locals":
			err = f.addLocals(b)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, name := range sortedKeys(vars) {
		if f.variables[name] == nil {
			e := &Error{File: path, Message: "variable " + quote(name) + " is given but not declared in the job file"}
			if len(f.variables) > 0 {
				e.hint = "it declares " + strings.Join(sortedKeys(f.variables), ", ")
			}
			return nil, e
		}
	}
	return f, nil
}

func (f *file) addLocals(b *hcl.Block) error {
	attrs, diags := b.Body.JustAttributes()
	if err := fromDiags(diags); err != nil {
		return err
	}
	for _, name := range sortedKeys(attrs) {
		if f.locals[name] != nil {
			return errorAt(attrs[name].NameRange, "local %q is defined twice", name)
		}
		f.locals[name] = &local{expr: attrs[name].Expr, place: attrs[name].NameRange}
	}
	return nil
}

// scope is where an expression stands: in the file, and perhaps in the content
// of dynamic blocks with their iterators.
type scope struct {
	file      *file
	iterators map[string]cty.Value
}

// with returns the scope with one more iterator.
func (s *scope) with(name string, v cty.Value) *scope {
	inner := map[string]cty.Value{name: v}
	for n, v := range s.iterators {
		if n != name {
			inner[n] = v
		}
	}
	return &scope{s.file, inner}
}

// eval evaluates an expression, and of variables and locals only those it uses.
// References to anything else are for the running task; they become the text
// ${…} again, as in Nomad.
func (s *scope) eval(expr hcl.Expression) (cty.Value, error) {
	vars, locals, others := make(map[string]cty.Value), make(map[string]cty.Value), make(texts)
	known := make(map[string]cty.Value)
	for _, t := range expr.Variables() {
		root := t.RootName()
		if v, ok := s.iterators[root]; ok {
			known[root] = v
			continue
		}
		var err error
		switch root {
		case "var":
			err = lookUp(t, vars, s.file.variableValue, func() []string { return sortedKeys(s.file.variables) })
		case "local":
			err = lookUp(t, locals, s.file.localValue, func() []string { return sortedKeys(s.file.locals) })
		default:
			err = others.add(t)
		}
		if err != nil {
			return cty.NilVal, err
		}
	}
	known["var"], known["local"] = cty.ObjectVal(vars), cty.ObjectVal(locals)
	for name, v := range others {
		known[name] = textValue(v)
	}
	if s.file.functions == nil {
		s.file.functions = functions(filepath.Dir(s.file.path))
	}
	v, diags := expr.Value(&hcl.EvalContext{Variables: known, Functions: s.file.functions})
	if err := fromDiags(diags); err != nil {
		return cty.NilVal, err
	}
	if !v.IsWhollyKnown() {
		return cty.NilVal, errorAt(expr.Range(), "the value cannot be known from the job file")
	}
	return v, nil
}

// lookUp adds to values what the traversal (var.x, var["x"], or all of var) refers to.
func lookUp(t hcl.Traversal, values map[string]cty.Value, value func(string, hcl.Range) (cty.Value, error), all func() []string) error {
	var names []string
	if len(t) < 2 {
		names = all()
	} else {
		switch step := t[1].(type) {
		case hcl.TraverseAttr:
			names = []string{step.Name}
		case hcl.TraverseIndex:
			if step.Key.Type() != cty.String {
				return errorAt(t.SourceRange(), "%s needs a name", t.RootName())
			}
			names = []string{step.Key.AsString()}
		default:
			names = all()
		}
	}
	for _, name := range names {
		v, err := value(name, t.SourceRange())
		if err != nil {
			return err
		}
		values[name] = v
	}
	return nil
}

func (f *file) localValue(name string, used hcl.Range) (cty.Value, error) {
	l := f.locals[name]
	switch {
	case l == nil:
		return cty.NilVal, errorAt(used, "local %q is not defined", name)
	case l.failure != nil:
		return cty.NilVal, l.failure
	case l.value != nil:
		return *l.value, nil
	case l.busy:
		return cty.NilVal, errorAt(l.place, "local %q is defined by itself", name)
	}
	l.busy = true
	defer func() { l.busy = false }()
	v, err := (&scope{file: f}).eval(l.expr)
	if err != nil {
		l.failure = err
		return cty.NilVal, err
	}
	l.value = &v
	return v, nil
}

// texts holds references that stay text: by name either the text itself or
// more texts, for what follows the dot.
type texts map[string]any

// add stores the text ${…} of a reference where the reference will look for it.
func (x texts) add(t hcl.Traversal) error {
	text := "${" + t.RootName()
	steps := []string{t.RootName()}
	for _, step := range t[1:] {
		switch step := step.(type) {
		case hcl.TraverseAttr:
			text += "." + step.Name
			steps = append(steps, step.Name)
		case hcl.TraverseIndex:
			key := step.Key.AsString // of a string
			switch step.Key.Type() {
			case cty.String:
				text += "[" + quote(key()) + "]"
				steps = append(steps, key())
			case cty.Number:
				n := step.Key.AsBigFloat().Text('f', -1)
				text += "[" + n + "]"
				steps = append(steps, n)
			}
		}
	}
	text += "}"
	for _, step := range steps[:len(steps)-1] {
		inner, ok := x[step].(texts)
		if !ok {
			if x[step] != nil {
				return errorAt(t.SourceRange(), "%s and a part of it cannot be used in one expression", text)
			}
			inner = make(texts)
			x[step] = inner
		}
		x = inner
	}
	last := steps[len(steps)-1]
	if _, isMap := x[last].(texts); isMap {
		return errorAt(t.SourceRange(), "%s and a part of it cannot be used in one expression", text)
	}
	x[last] = text
	return nil
}

func textValue(v any) cty.Value {
	inner, ok := v.(texts)
	if !ok {
		return cty.StringVal(v.(string))
	}
	values := make(map[string]cty.Value, len(inner))
	for name, v := range inner {
		values[name] = textValue(v)
	}
	return cty.ObjectVal(values)
}

func sortedKeys[M ~map[string]V, V any](m M) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
