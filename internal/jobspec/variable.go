package jobspec

import (
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// variable is a declared variable, evaluated when it is first used.
type variable struct {
	body   hcl.Body       // of a variable block
	preset hcl.Expression // or a line of a variables block
	place  hcl.Range
	value  *cty.Value
}

func quote(s string) string { return strconv.Quote(s) }

func (f *file) declare(name string, v *variable) error {
	if f.variables[name] != nil {
		return errorAt(v.place, "variable %q is declared twice", name)
	}
	f.variables[name] = v
	return nil
}

// variableValue returns the value of -var, or the default.
func (f *file) variableValue(name string, used hcl.Range) (cty.Value, error) {
	v := f.variables[name]
	if v == nil {
		return cty.NilVal, errorAt(used, "variable %q is not declared", name)
	}
	if v.value != nil {
		return *v.value, nil
	}
	typ, preset, err := v.declaration()
	if err != nil {
		return cty.NilVal, err
	}
	var value cty.Value
	text, given := f.given[name]
	if given && typ == cty.NilType && preset != nil {
		// Without a type, the default's counts, as in Nomad.
		if value, err = constant(preset); err == nil && !value.IsNull() {
			typ = value.Type()
		}
	}
	switch {
	case err != nil:
	case given:
		value, err = fromText(name, text, typ)
	case preset != nil:
		value, err = constant(preset)
		if err == nil && typ != cty.NilType {
			if value, err = convert.Convert(value, typ); err != nil {
				err = errorAt(preset.Range(), "the default of variable %q is not of its type: %s", name, err)
			}
		}
	default:
		e := errorAt(used, "variable %q has neither a default nor a value", name)
		e.hint = "give it one with -var " + name + "=VALUE"
		err = e
	}
	if err != nil {
		return cty.NilVal, err
	}
	v.value = &value
	return value, nil
}

// declaration returns the variable's type, if it has one, and its default.
func (v *variable) declaration() (cty.Type, hcl.Expression, error) {
	if v.body == nil {
		return cty.NilType, v.preset, nil
	}
	content, _, diags := v.body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "type"}, {Name: "default"}}})
	if err := fromDiags(diags); err != nil {
		return cty.NilType, nil, err
	}
	typ := cty.NilType
	if attr := content.Attributes["type"]; attr != nil {
		typ, diags = typeexpr.TypeConstraint(attr.Expr)
		if err := fromDiags(diags); err != nil {
			return cty.NilType, nil, err
		}
	}
	if attr := content.Attributes["default"]; attr != nil {
		return typ, attr.Expr, nil
	}
	return typ, nil, nil
}

// constant evaluates an expression in which nothing may be referred to.
func constant(expr hcl.Expression) (cty.Value, error) {
	v, diags := expr.Value(nil)
	if err := fromDiags(diags); err != nil {
		return cty.NilVal, err
	}
	return v, nil
}

// fromText reads the value of -var: text for a string, a number or no type at
// all, else an expression such as ["a", "b"].
func fromText(name, text string, typ cty.Type) (cty.Value, error) {
	value := cty.StringVal(text)
	if typ != cty.NilType && typ != cty.String && typ != cty.Number {
		where := "-var " + name
		tokens, _ := hclsyntax.LexExpression([]byte(text), where, hcl.InitialPos)
		if err := checkNesting(tokens); err != nil {
			return cty.NilVal, err
		}
		expr, diags := hclsyntax.ParseExpression([]byte(text), where, hcl.InitialPos)
		if err := fromDiags(diags); err != nil {
			return cty.NilVal, err
		}
		var err error
		if value, err = constant(expr); err != nil {
			return cty.NilVal, err
		}
	}
	if typ == cty.NilType {
		return value, nil
	}
	value, err := convert.Convert(value, typ)
	if err != nil {
		return cty.NilVal, &Error{File: "-var " + name, Message: "the value is not of the variable's type: " + oneLine(err.Error())}
	}
	return value, nil
}
