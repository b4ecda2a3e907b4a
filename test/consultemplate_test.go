//go:build unix

package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const consulTemplateModule = "github.com/hashicorp/consul-template@v0.41.1"

// consulTemplate returns the program, built from its module once and kept in the
// user's cache directory. Without it the test is skipped, and says so.
func consulTemplate(t *testing.T) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	_, version, _ := strings.Cut(consulTemplateModule, "@")
	dir = filepath.Join(dir, "taskagent-test", "consul-template-"+version)
	bin := filepath.Join(dir, "consul-template")
	if _, err := os.Stat(bin); err == nil {
		return bin
	}
	if testing.Short() {
		t.Skip("NOT RUN: consul-template is not built yet, and -short was given")
	}
	// Under another name until it is whole: other tests may look for it meanwhile.
	temp := shortTempDir(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "install", consulTemplateModule)
	cmd.Dir = temp // out of our own module
	cmd.Env = append(os.Environ(), "GOBIN="+temp, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("NOT RUN: consul-template cannot be built from its module: %v\n%s", err, out)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(temp, "consul-template"))
	ok(t, "read what was built", err)
	next := fmt.Sprintf("%s.%d", bin, os.Getpid())
	ok(t, "keep what was built", os.WriteFile(next, b, 0o755))
	ok(t, "keep what was built", os.Rename(next, bin))
	return bin
}

const pageTemplate = `
{{- with nomadVar "nomad/jobs/example/cache" }}password={{ .password }}
{{ end -}}
vars={{ range nomadVarList "nomad/jobs/example" }}{{ .Path }} {{ end }}
{{ range nomadService "web" }}web={{ .Address }}:{{ .Port }} {{ .Tags }}
{{ end -}}
services={{ range nomadServices }}{{ .Name }}{{ .Tags }} {{ end }}
`

// TestConsulTemplate runs consul-template, which dials no Unix sockets, as a
// task: it renders variables and services and follows their changes by blocking
// queries, over the agent's loopback port and over the operators' listener.
func TestConsulTemplate(t *testing.T) {
	bin := consulTemplate(t)
	t.Parallel()
	for _, door := range []string{"listen", "http"} {
		t.Run(door, func(t *testing.T) {
			w := newWorld(t)
			o := w.lead()
			template, page := filepath.Join(w.dir, "page.tpl"), filepath.Join(w.dir, "page")
			ok(t, "write the template", os.WriteFile(template, []byte(pageTemplate), 0o600))
			w.must("var", "put", "nomad/jobs/example/cache", "password=one")
			w.must("var", "put", "nomad/jobs/other", "password=hidden")
			w.start("web", []string{"-job", "web", "-service", "name=web,port=8080,tags=http"})

			flags := []string{"-job", "example", "-group", "cache", "-task", "page", "-listen", "127.0.0.1:0"}
			command := []string{bin, "-kill-signal", "SIGTERM", "-template", template + ":" + page}
			if door == "http" {
				flags = flags[:len(flags)-2]
				command = append([]string{"env", "NOMAD_ADDR=" + o.url}, command...)
			}
			tk := w.start("ct", flags, command...)
			rendered := func(want ...string) {
				t.Helper()
				var got string
				defer func() {
					if t.Failed() {
						t.Logf("rendered, wanted was %q:\n%s\n%s", want, got, tk.stderr)
					}
				}()
				slices.Sort(want) // services come in the order of their allocations
				eventually(t, "the page", func() bool {
					b, _ := os.ReadFile(page)
					got = string(b)
					lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
					slices.Sort(lines)
					return slices.Equal(lines, want)
				})
			}
			rendered("password=one", "vars=nomad/jobs/example/cache ", "web=127.0.0.1:8080 [http]", "services=web[http] ")
			w.must("var", "put", "nomad/jobs/example/cache", "password=two")
			rendered("password=two", "vars=nomad/jobs/example/cache ", "web=127.0.0.1:8080 [http]", "services=web[http] ")
			w.must("var", "put", "nomad/jobs/example", "a=b")
			rendered("password=two", "vars=nomad/jobs/example nomad/jobs/example/cache ", "web=127.0.0.1:8080 [http]", "services=web[http] ")
			web2 := w.start("web2", []string{"-job", "web2", "-service", "name=web,port=8081,address=10.0.0.2,tags=v2", "-service", "name=api,port=1"})
			rendered("password=two", "vars=nomad/jobs/example nomad/jobs/example/cache ", "web=10.0.0.2:8081 [v2]", "web=127.0.0.1:8080 [http]", "services=api[] web[http v2] ")
			web2.stop()
			w.must("var", "purge", "nomad/jobs/example")
			rendered("password=two", "vars=nomad/jobs/example/cache ", "web=127.0.0.1:8080 [http]", "services=web[http] ")

			// A policy shows it more, at once; the end of the policy takes it back.
			policy := filepath.Join(w.dir, "policy.hcl")
			ok(t, "write the policy", os.WriteFile(policy, []byte(rules("default", "nomad/jobs/example/*")), 0o600))
			w.must("var", "put", "nomad/jobs/example/web", "x=y")
			w.must("acl", "policy", "apply", "-job", "example", "more", policy)
			w.must("var", "put", "nomad/jobs/example/cache", "password=three")
			rendered("password=three", "vars=nomad/jobs/example/cache nomad/jobs/example/web ", "web=127.0.0.1:8080 [http]", "services=web[http] ")
			w.must("acl", "policy", "delete", "more")
			w.must("var", "put", "nomad/jobs/example/cache", "password=four")
			rendered("password=four", "vars=nomad/jobs/example/cache ", "web=127.0.0.1:8080 [http]", "services=web[http] ")
		})
	}
}
