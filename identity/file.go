package identity

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

// Dir is one of the directories of a task.
type Dir string

// The directories of a task that a token can be written to.
const (
	DirSecrets Dir = "secrets"
	DirLocal   Dir = "local"
	DirAlloc   Dir = "alloc"
)

// FileName returns the file the token goes into when File is set: Filepath, or
// nomad_token for the default identity and nomad_<name>.jwt for the others.
func (s Spec) FileName() string {
	switch {
	case s.Filepath != "":
		return s.Filepath
	case s.IsDefault():
		return "nomad_token"
	default:
		return "nomad_" + s.Name + ".jwt"
	}
}

// Location returns where FileName lies: a directory of the task and a clean,
// slash-separated path in it. A Filepath that starts with secrets/, local/ or
// alloc/ lies in that directory, any other one in the secrets directory.
func (s Spec) Location() (Dir, string) {
	p := path.Clean(s.FileName())
	if first, rest, ok := strings.Cut(p, "/"); ok {
		switch d := Dir(first); d {
		case DirSecrets, DirLocal, DirAlloc:
			return d, rest
		}
	}
	return DirSecrets, p
}

// validateFilepath refuses what leaves the task's directories, and what one of
// the supported systems could not hold, on all of them: a job file should not
// be right on one machine only.
func validateFilepath(p string) error {
	if i := strings.IndexFunc(p, isReserved); i >= 0 {
		return fmt.Errorf("filepath %q has the reserved character %q", p, p[i])
	}
	if path.IsAbs(p) {
		return fmt.Errorf("filepath %q is absolute", p)
	}
	if strings.HasSuffix(p, "/") {
		return fmt.Errorf("filepath %q names a directory", p)
	}
	for part := range strings.SplitSeq(p, "/") {
		switch {
		case part == "..":
			return fmt.Errorf("filepath %q has a .. in it", p)
		case part == "." || part == "":
		case strings.HasSuffix(part, ".") || strings.HasSuffix(part, " "):
			return fmt.Errorf("filepath %q has a part that ends with %q, which Windows drops", p, part[len(part)-1:])
		}
	}
	switch clean := path.Clean(p); Dir(clean) {
	case ".", DirSecrets, DirLocal, DirAlloc:
		return fmt.Errorf("filepath %q names a directory", p)
	}
	// Knows the device names of Windows, and refuses nothing else that got here.
	if !filepath.IsLocal(p) {
		return fmt.Errorf("filepath %q is not a file of its directory on this system", p)
	}
	dir, rel := Spec{Name: DefaultName, File: true, Filepath: p}.Location()
	if first, _, _ := strings.Cut(fold(rel), "/"); dir == DirSecrets && (first == "api.sock" || first == "taskagent.sock") {
		return fmt.Errorf("filepath %q is where the socket goes", p)
	}
	return nil
}

// isReserved holds for the characters that Windows keeps for itself, the
// backslash among them, and for control characters, NUL among them.
func isReserved(r rune) bool { return isControl(r) || strings.ContainsRune(`\<>:"|?*`, r) }

// ValidateSet validates each spec and then what they may not share: a name, or
// a file. Names and files that differ only in case count as the same, because
// on some systems they are.
func ValidateSet(specs []Spec) error {
	for i, s := range specs {
		if err := s.Validate(); err != nil {
			return err
		}
		for _, other := range specs[:i] {
			if err := validatePair(other, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func validatePair(a, b Spec) error {
	if a.Name == b.Name {
		return fmt.Errorf("identity %q is given twice", a.Name)
	}
	if fold(a.Name) == fold(b.Name) {
		return fmt.Errorf("identities %q and %q differ only in case", a.Name, b.Name)
	}
	if !a.File || !b.File {
		return nil
	}
	switch x, y := a.foldedFile(), b.foldedFile(); {
	case x == y:
		return fmt.Errorf("identities %q and %q write the same file %q", a.Name, b.Name, b.FileName())
	case strings.HasPrefix(x, y+"/"), strings.HasPrefix(y, x+"/"):
		return fmt.Errorf("identities %q and %q: the file of one is a directory of the other", a.Name, b.Name)
	}
	return nil
}

// foldedFile is the file as a file system that ignores case tells it apart.
func (s Spec) foldedFile() string {
	dir, rel := s.Location()
	return fold(string(dir) + "/" + rel)
}

// fold makes names equal that a file system which ignores case takes for one.
func fold(s string) string { return strings.ToLower(strings.ToUpper(s)) }
