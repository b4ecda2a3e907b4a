package jobspec

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
)

// maxNesting bounds how deep the brackets, quotes and operators of a file may
// nest, because HCL's parser recurses and Go cannot recover from a stack that
// outgrows its limit.
const maxNesting = 500

// maxQuestions bounds the conditionals, which nest without a bracket, in a file.
const maxQuestions = 5000

// parse reads the syntax of a job file, which is HCL, or JSON when it starts with {.
func parse(path string, src []byte) (hcl.Body, error) {
	if len(src) > MaxSize {
		return nil, tooLarge(path)
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	if !utf8.Valid(src) {
		return nil, &Error{File: path, Message: "the job file is not UTF-8 text"}
	}
	if bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) {
		if err := checkJSONNesting(path, src); err != nil {
			return nil, err
		}
		file, diags := json.Parse(src, path)
		if err := fromDiags(diags); err != nil {
			return nil, err
		}
		return file.Body, nil
	}
	start := hcl.Pos{Line: 1, Column: 1}
	// What the scanner complains about, the parser will too, in better words.
	tokens, _ := hclsyntax.LexConfig(src, path, start)
	if err := checkNesting(tokens); err != nil {
		return nil, err
	}
	file, diags := hclsyntax.ParseConfig(src, path, start)
	if err := fromDiags(diags); err != nil {
		return nil, err
	}
	return file.Body, nil
}

// checkNesting counts what makes the parser recurse: brackets, quotes and
// templates that are open, signs in a row, and, more roughly, conditionals.
func checkNesting(tokens hclsyntax.Tokens) error {
	depth, signs, questions := 0, 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc,
			hclsyntax.TokenTemplateSeqEnd:
			depth = max(depth-1, 0)
		case hclsyntax.TokenQuestion:
			questions++
		}
		if t.Type == hclsyntax.TokenBang || t.Type == hclsyntax.TokenMinus {
			signs++
		} else {
			signs = 0
		}
		if depth+signs > maxNesting || questions > maxQuestions {
			return errorAt(t.Range, "nested more than %d deep", maxNesting)
		}
	}
	return nil
}

// checkJSONNesting counts brackets; those in a string, where templates may
// stand, only as they open.
func checkJSONNesting(path string, src []byte) error {
	depth, inString, quoted := 0, 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted, inString = !quoted, 0
		case quoted && bytes.IndexByte([]byte("{[(?!-"), c) >= 0:
			inString++
		case !quoted && (c == '{' || c == '['):
			depth++
		case !quoted && (c == '}' || c == ']'):
			depth--
		}
		if depth > maxNesting || inString > maxQuestions {
			return &Error{File: path, Message: "the job file is nested too deep"}
		}
	}
	return nil
}

// oneLine joins the lines of a text, since an error is one line.
func oneLine(s string) string {
	return strings.Join(strings.Fields(s), " ")
}
