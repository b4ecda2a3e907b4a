package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/taskagent/taskagent/internal/fault"
)

var apiCommand = &command{
	name:    "api",
	args:    "[-X METHOD] [-d BODY|@FILE|@-] PATH",
	summary: "Call the API, as the task inside one, as the operator outside",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		who := addAPIFlags(f)
		method := f.String("X", "", "the request's `method`; default GET, or PUT with a body")
		data := f.String("d", "", "the request's `body`, or @FILE, or @- for standard input")
		operands, err := f.parseMixed()
		if err == nil {
			err = f.want(operands, 1, 1)
		}
		if err != nil {
			return exitUsage, err
		}
		if err := checkPath(operands[0]); err != nil {
			return exitUsage, err
		}
		var body any
		if f.given["d"] {
			b, err := readOperand(c, *data)
			if err != nil {
				return exitFailure, err
			}
			body = b
		}
		if *method == "" {
			*method = "GET"
			if body != nil {
				*method = "PUT"
			}
		}
		a, err := who.open(ctx, c)
		if err != nil {
			return exitInternal, err
		}
		answer, _, err := a.do(ctx, strings.ToUpper(*method), operands[0], nil, body)
		var status *statusError
		if err != nil && !errors.As(err, &status) {
			return exitFailure, err
		}
		if err == nil && len(answer) > 0 {
			_, werr := c.out.Write(answer)
			if werr == nil && answer[len(answer)-1] != '\n' {
				_, werr = io.WriteString(c.out, "\n")
			}
			err = werr
		}
		if err != nil {
			return exitFailure, err
		}
		return exitOK, nil
	},
}

// maxOperand bounds what is read from a file or standard input for a request.
const maxOperand = 4 << 20

// readOperand returns s, or what @FILE or @- names: a secret given on the
// command line could be seen in the process list.
func readOperand(c *invocation, s string) ([]byte, error) {
	name, ok := strings.CutPrefix(s, "@")
	if !ok {
		return []byte(s), nil
	}
	if name == "-" {
		return readBounded("standard input", c.in)
	}
	return readFileOperand(name)
}

func readFileOperand(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readBounded(name, file)
}

func readBounded(what string, r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxOperand+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	if len(b) > maxOperand {
		return nil, fault.Usage(fmt.Errorf("read %s: it is longer than %d MiB", what, maxOperand>>20), "")
	}
	return b, nil
}
