// Package doctor looks at a task's directory and socket, or at a leader's data
// directory, and says in one line each what is right and what is not, with the
// fix where one is known.
//
// It changes nothing, starts nothing and prints no token. What it finds is true
// for the user it runs as; another user may see something else.
package doctor

import (
	"fmt"
	"io"
)

// State says how a check ended.
type State string

// The states of a check.
const (
	OK      State = "ok"
	Warning State = "warning" // it works, and may not for long or for everybody
	Failure State = "failure"
)

// Finding is the result of one check.
type Finding struct {
	State State  `json:"state"`
	What  string `json:"what"`          // the thing looked at
	Text  string `json:"text"`          // what is the case
	Fix   string `json:"fix,omitempty"` // what to do about it
}

func ok(what, format string, args ...any) Finding {
	return Finding{State: OK, What: what, Text: fmt.Sprintf(format, args...)}
}

func warn(what, fix, format string, args ...any) Finding {
	return Finding{State: Warning, What: what, Text: fmt.Sprintf(format, args...), Fix: fix}
}

func fail(what, fix, format string, args ...any) Finding {
	return Finding{State: Failure, What: what, Text: fmt.Sprintf(format, args...), Fix: fix}
}

// Failed reports whether any finding is a failure.
func Failed(findings []Finding) bool {
	for _, f := range findings {
		if f.State == Failure {
			return true
		}
	}
	return false
}

// Print writes a line for each finding, and one for its fix.
func Print(w io.Writer, findings []Finding) error {
	for _, f := range findings {
		if _, err := fmt.Fprintf(w, "%-8s %-10s %s\n", f.State, f.What, f.Text); err != nil {
			return err
		}
		if f.Fix != "" {
			if _, err := fmt.Fprintf(w, "%-8s %-10s fix: %s\n", "", "", f.Fix); err != nil {
				return err
			}
		}
	}
	return nil
}
