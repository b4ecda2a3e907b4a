//go:build linux

package bench_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// buildDir holds what is built once for all benchmarks.
var buildDir string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "taskagent-bench-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	buildDir = dir
	return m.Run()
}

// taskagent returns the binary under test, built as a release is.
func taskagent(tb testing.TB) string { return must(tb)(buildTaskagent()) }

// bare returns the program of testdata/bare.
func bare(tb testing.TB) string { return must(tb)(buildBare()) }

var (
	buildTaskagent = sync.OnceValues(func() (string, error) { return build("taskagent", "../../cmd/taskagent") })
	buildBare      = sync.OnceValues(func() (string, error) { return build("bare", "./testdata/bare") })
)

func build(name, pkg string) (string, error) {
	out := filepath.Join(buildDir, name)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return out, nil
}

// must returns a function that gives up the benchmark on an error.
func must(tb testing.TB) func(string, error) string {
	return func(s string, err error) string {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return s
	}
}
