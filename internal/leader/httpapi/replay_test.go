package httpapi_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/leader/state"
)

// TestReplay sends exchanges recorded from a real Nomad, where there are any:
// TASKAGENT_REPLAY names the program that does it, TASKAGENT_SCENARIO the file.
func TestReplay(t *testing.T) {
	program, scenario := os.Getenv("TASKAGENT_REPLAY"), os.Getenv("TASKAGENT_SCENARIO")
	if program == "" || scenario == "" {
		t.Skip("TASKAGENT_REPLAY and TASKAGENT_SCENARIO do not say what to replay")
	}
	for file := range strings.SplitSeq(scenario, ":") {
		t.Run(filepath.Base(file), func(t *testing.T) { replay(t, program, file) })
	}
}

func replay(t *testing.T, program, scenario string) {
	w := newWorldSigning(t, identity.RS256) // recordings show RSA keys
	w.must("PUT", "/v1/namespace/shared", obj{"Name": "shared", "Description": "s"})
	alloc := state.NewID()
	tokens := map[string]string{
		"mgmt":        w.mgmt,
		"redis":       w.start(state.Task{AllocID: alloc, Job: "example", Group: "cache", Task: "redis", Services: services("cache", 21246, "primary")}),
		"sidecar":     w.start(state.Task{AllocID: alloc, Job: "example", Group: "cache", Task: "sidecar"}),
		"front":       w.start(state.Task{Job: "example", Group: "web", Task: "front"}),
		"other":       w.start(state.Task{Job: "other", Group: "g", Task: "t", Services: services("api", 21247, "v1", "blue")}),
		"nsjob":       w.start(state.Task{Namespace: "shared", Job: "nsjob", Group: "g", Task: "t", Services: services("nsapi", 21248, "v1", "blue")}),
		"unknownuuid": "11111111-1111-1111-1111-111111111111",
		"garbage":     "not-a-token",
		"ci":          "${CI}",
		"ci2":         "${CI2}",
	}
	head, sig, _ := cutLast(tokens["redis"], ".")
	first := "A"
	if sig[0] == 'A' {
		first = "B"
	}
	tokens["tampered"] = head + "." + first + sig[1:]

	args := []string{"replay", scenario, "--http", serve(t, w.http, "tcp"), "--task-sock", strings.TrimPrefix(serve(t, w.task, "unix"), "unix://")}
	for name, token := range tokens {
		args = append(args, "--token", name+"="+token)
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

func cutLast(s, sep string) (string, string, bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// serve serves the handler and returns its address.
func serve(t testing.TB, h http.Handler, network string) string {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "api") // t.TempDir is too long a path for some
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		addr = filepath.Join(dir, "s")
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	if network == "unix" {
		return "unix://" + addr
	}
	return "http://" + l.Addr().String()
}
