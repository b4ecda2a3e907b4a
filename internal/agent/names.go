package agent

import (
	"fmt"
	"strings"
	"unicode"
)

// maxName is the longest name of a job, group, task or namespace; Nomad's bound
// for namespaces and identities, and short enough for a file name.
const maxName = 128

// checkName refuses a name that could not be part of a subject claim, of a
// variable's path or of a directory. what says whose name it is.
func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the %s has no name", what)
	case len(name) > maxName:
		return fmt.Errorf("%s name %.20q… is longer than %d bytes", what, name, maxName)
	case name == "." || name == "..":
		return fmt.Errorf("%s name %q is not a name", what, name)
	case strings.ContainsAny(name, `/\`):
		return fmt.Errorf("%s name %q contains a slash", what, name)
	case strings.IndexFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == unicode.ReplacementChar }) >= 0:
		return fmt.Errorf("%s name %q contains white space or a control character", what, name)
	}
	return nil
}

// checkNamespace is stricter, as Nomad is.
func checkNamespace(name string) error {
	if name == "" || len(name) > maxName || strings.IndexFunc(name, notDNS) >= 0 {
		return fmt.Errorf("namespace name %q: want 1 to %d letters, digits and hyphens", name, maxName)
	}
	return nil
}
