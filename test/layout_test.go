package test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/taskagent/taskagent"

// forbidden says what a package must not import, directly or through others,
// and why. A name without a dot in front is relative to the module.
var forbidden = map[string]map[string]string{
	"platform": {
		module: "platform is a leaf: OS primitives, no policy",
	},
	"identity": {
		module:     "identity is a leaf: task code verifies tokens with it and must not inherit an agent",
		"net/http": "identity fetches nothing",
	},
	"renew": {
		"net/http":                  "renew knows no HTTP: a Source does",
		module + "/secretsdir":      "renew publishes nothing",
		module + "/envinject":       "renew starts nothing",
		module + "/internal/leader": "a Source is all renew sees",
	},
	"secretsdir": {
		"net/http":           "task code that reads its token must not link a web stack",
		module + "/identity": "secretsdir stores bytes and does not judge them",
	},
	"envinject": {
		"net/http":           "starting a child needs no web stack",
		module + "/identity": "values arrive as strings",
	},
	"uds": {
		"net/http": "uds gives connections, not requests",
	},
	"taskapi": {
		module + "/internal": "taskapi sees a dialer or a transport, never who is behind it",
	},
	"internal/acl": {
		"net":                       "policy evaluation is pure",
		"net/http":                  "policy evaluation is pure",
		module + "/internal/leader": "policy evaluation is pure",
	},
	"internal/jobspec": {
		"net/http": "reading a job file fetches nothing",
	},
	"internal/wire": {
		module + "/internal/leader": "messages know neither end",
	},
	"internal/leader/client": {
		"go.etcd.io/bbolt":                  "an agent opens no database",
		"github.com/hashicorp/hcl/v2":       "an agent reads no policy",
		module + "/internal/leader/state":   "an agent is only ever a client",
		module + "/internal/leader/httpapi": "an agent is only ever a client",
	},
	"internal/leader": {
		module + "/internal/agent": "the leader knows agents as connections",
		module + "/renew":          "the leader renews nothing",
	},
}

type listedPackage struct {
	ImportPath, Dir string
	Deps            []string
	GoFiles         []string
}

func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Deps,GoFiles", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderrOf(err))
	}
	var packages []listedPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listedPackage
		if err := d.Decode(&p); err == io.EOF {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func stderrOf(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(exit.Stderr)
	}
	return ""
}

// TestImportDirections keeps the arrows of docs/architecture.md pointing one way.
func TestImportDirections(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		seen[name] = true
		for prefix, why := range forbidden[name] {
			for _, dep := range p.Deps {
				if dep != p.ImportPath && (dep == prefix || strings.HasPrefix(dep, prefix+"/")) && !strings.HasPrefix(dep, p.ImportPath+"/") {
					t.Errorf("%s imports %s: %s", name, dep, why)
				}
			}
		}
		if dep, ok := importsLibrary(p, "/internal/agent"); ok && name != "cmd/taskagent" {
			t.Errorf("%s imports %s: only the command sees the whole agent", name, dep)
		}
	}
	for name := range forbidden {
		if !seen[name] {
			t.Errorf("a rule names the package %s, which does not exist", name)
		}
	}
}

func importsLibrary(p listedPackage, suffix string) (string, bool) {
	for _, dep := range p.Deps {
		if dep == module+suffix {
			return dep, true
		}
	}
	return "", false
}

// TestPackageComments wants one comment a package: what it does and refuses.
func TestPackageComments(t *testing.T) {
	for _, p := range listPackages(t) {
		var comments int
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil {
				comments++
				if len(f.Doc.Text()) < 80 {
					t.Errorf("%s: the package comment in %s says next to nothing", p.ImportPath, name)
				}
			}
		}
		if len(p.GoFiles) > 0 && comments != 1 {
			t.Errorf("%s has %d package comments, want one", p.ImportPath, comments)
		}
	}
}
