package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/internal/wire"
)

// warnings is a logger's output, a line at a time.
type warnings chan string

func (w warnings) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

func logTo(w warnings) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Output: w, Level: hclog.Warn, DisableTime: true})
}

// A start that the leader cannot do just now is tried again, and the user hears
// why before the time is up.
func TestStartWarns(t *testing.T) {
	defer client.SetStartPatience(100 * time.Millisecond)()
	full := &wire.Error{Code: wire.CodeUnavailable, Message: "keep the task: write state.db: no space left on device", Hint: "free space"}
	f := serve(t, func(int, *wire.Request) (*wire.Response, error) { return &wire.Response{Error: full}, nil })
	log := make(warnings, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, _, err := client.Start(ctx, client.Options{DataDir: f.dir, Logger: logTo(log)}, wire.Start{Task: "t"})
		done <- err
	}()
	if line := <-log; line != `[WARN]  the task has not started yet; it is tried again: error="keep the task: write state.db: no space left on device" hint="free space"`+"\n" {
		t.Errorf("warned %q", line)
	}
	cancel()
	err := <-done
	if e, ok := errors.AsType[*wire.Error](err); !ok || e.Hint != "free space" || err.Error() != `start task "t": keep the task: write state.db: no space left on device` {
		t.Errorf("got %v", err)
	}
	if len(log) != 0 {
		t.Errorf("warned again: %s", <-log)
	}
}

// A leader that is stopped accepts connections and says nothing.
func TestStartAtSilentLeader(t *testing.T) {
	defer client.SetStartPatience(50 * time.Millisecond)()
	f := serve(t, func(int, *wire.Request) (*wire.Response, error) { return nil, nil })
	log := make(warnings, 100)
	_, _, err := client.Start(within(t, 200*time.Millisecond), client.Options{DataDir: f.dir, Logger: logTo(log)}, wire.Start{Task: "t"})
	if !errors.Is(err, context.DeadlineExceeded) || err.Error() != `start task "t": the leader does not answer` {
		t.Errorf("got %v", err)
	}
	if hint := fault.HintOf(err); !strings.Contains(hint, "kill -CONT") {
		t.Errorf("hint %q", hint)
	}
	if line := <-log; !strings.Contains(line, "the leader does not answer") {
		t.Errorf("warned %q", line)
	}
}
