package envinject_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taskagent/taskagent/envinject"
	"github.com/taskagent/taskagent/platform"
)

// The tests run real processes. Where a whole agent is needed (it relays
// signals, adopts orphans, is killed, has a terminal) the test binary runs
// itself again, with helperEnv saying as what.
const helperEnv = "ENVINJECT_TEST_HELPER"

// A script that waits for signals does it in "wait": dash starts a program with
// vfork, and loses the signals that come until the program runs.

// limit bounds every wait for something that has to happen. No test passes
// because of it.
const limit = 30 * time.Second

func TestMain(m *testing.M) {
	switch os.Getenv(helperEnv) {
	case "":
		os.Exit(m.Run())
	case "agent":
		os.Exit(agent())
	case "wrap":
		os.Exit(wrap())
	case "record":
		os.Exit(record())
	}
	fmt.Fprintf(os.Stderr, "%s is none of agent, wrap, record\n", helperEnv)
	os.Exit(2)
}

// agentConfig tells the helper agent what to run; it is in the variable
// AGENT_CONFIG.
type agentConfig struct {
	Command     []string
	User        *platform.Credential
	KillSignal  syscall.Signal
	KillTimeout time.Duration
	Terminal    bool
	Orphans     bool
	Once        bool // start, wait, exit: no commands, no events
}

// agent runs a supervisor by the commands on descriptor 3, one a line: start,
// restart, stop, each followed by VAR=VALUE if need be. It writes what happens
// to descriptor 4.
func agent() int {
	var cfg agentConfig
	if err := json.Unmarshal([]byte(os.Getenv("AGENT_CONFIG")), &cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	control, events := os.NewFile(3, "control"), os.NewFile(4, "events")
	if !cfg.Once {
		syscall.CloseOnExec(3)
		syscall.CloseOnExec(4)
	}
	say := func(format string, args ...any) {
		if !cfg.Once {
			fmt.Fprintf(events, format+"\n", args...)
		}
	}
	s, err := envinject.New(envinject.Config{
		Command: cfg.Command, User: cfg.User, KillSignal: cfg.KillSignal, KillTimeout: cfg.KillTimeout,
		RelaySignals: true, Terminal: cfg.Terminal, ReapOrphans: cfg.Orphans,
		Notify: func(e envinject.Event) {
			switch e.Kind {
			case envinject.TaskEnded:
				say("%s: %v", e.Kind, e.Exit)
			case envinject.TaskStopped, envinject.TaskSignalled, envinject.SignalDropped:
				say("%s: %v", e.Kind, platform.SignalName(e.Signal.(syscall.Signal)))
			default:
				say("%s", e.Kind)
			}
		},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	env := func(extra string) []string {
		return envinject.Merge(os.Environ(), envinject.MergeOptions{Task: []string{helperEnv + "=" + os.Getenv("TASK_HELPER"), extra}})
	}
	start := func(extra string) {
		if err := s.Start(env(extra)); err != nil {
			fmt.Fprintln(os.Stderr, "agent:", err)
		}
	}
	if cfg.Once {
		start("ROUND=0")
	} else {
		say("ready")
		go func() {
			lines := bufio.NewScanner(control)
			for lines.Scan() {
				verb, extra, _ := strings.Cut(lines.Text(), " ")
				switch verb {
				case "start":
					start(extra)
				case "restart":
					say("restart: %v", s.Restart(env(extra)))
				case "stop":
					go s.Stop(context.Background())
				}
			}
		}()
	}
	<-s.Done()
	s.Close()
	return s.Exit().Status()
}

// wrap is an agent as a user starts it: the command follows, and nothing else
// is said.
func wrap() int {
	s, err := envinject.New(envinject.Config{Command: os.Args[1:], RelaySignals: true, Terminal: true, ReapOrphans: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	defer s.Close()
	if err := s.Start(envinject.Merge(os.Environ(), envinject.MergeOptions{Task: []string{helperEnv + "=" + os.Getenv("TASK_HELPER")}})); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	<-s.Done()
	return s.Exit().Status()
}

// supervise makes a supervisor that is closed at the end of the test.
func supervise(t *testing.T, cfg envinject.Config) *envinject.Supervisor {
	t.Helper()
	s, err := envinject.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// ended waits for the task's end.
func ended(t *testing.T, s *envinject.Supervisor) envinject.Exit {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(limit):
		t.Fatal("the task does not end")
	}
	return s.Exit()
}

// reader reads lines with a limit, so that a test which waits for the wrong
// thing says so instead of hanging.
type reader struct {
	t     *testing.T
	lines chan string
	seen  []string
}

func read(t *testing.T, from io.Reader) *reader {
	r := &reader{t: t, lines: make(chan string, 1024)}
	go func() {
		defer close(r.lines)
		s := bufio.NewScanner(from)
		for s.Scan() {
			r.lines <- s.Text()
		}
	}()
	return r
}

// line returns the next line; false at the end.
func (r *reader) line() (string, bool) {
	r.t.Helper()
	select {
	case l, ok := <-r.lines:
		r.seen = append(r.seen, l)
		return l, ok
	case <-time.After(limit):
		r.t.Fatalf("no more lines after %q", r.seen)
		return "", false
	}
}

// expect reads until a line is want.
func (r *reader) expect(want string) {
	r.t.Helper()
	for {
		l, ok := r.line()
		if l == want {
			return
		}
		if !ok {
			r.t.Fatalf("no line %q among %q", want, r.seen)
		}
	}
}

// pipe returns both ends of a pipe that are closed at the end of the test.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}
