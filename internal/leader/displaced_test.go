package leader_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taskagent/taskagent/internal/leader"
	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/internal/wire"
)

// A leader whose directory or socket somebody removed cannot be found, and
// while it holds the lock no other can lead: it ends, so that one can.
func TestDisplaced(t *testing.T) {
	for _, tt := range []struct {
		name   string
		remove func(dir string) error
		lost   bool
		want   string
	}{
		{"directory", os.RemoveAll, true, "data directory DIR was removed or replaced while this leader led"},
		{"renamed directory", func(dir string) error { return os.Rename(dir, dir+".old") }, true, "data directory DIR was removed or replaced while this leader led"},
		{"agents' socket", func(dir string) error { return os.Remove(filepath.Join(dir, wire.LeaderSocket)) }, false, "socket DIR/leader.sock was removed or replaced while this leader led"},
		{"tasks' socket", func(dir string) error { return os.Remove(filepath.Join(dir, wire.TaskSocket)) }, false, "socket DIR/task.sock was removed or replaced while this leader led"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := testDir(t)
			r := lead(t, leader.Config{DataDir: dir})
			stays, _ := start(t, dir, task("stays"), false)
			goes, _ := start(t, dir, task("goes"), false)
			if err := tt.remove(dir); err != nil {
				t.Skip(err) // Windows keeps what is open
			}
			// This wakes the clock, if the starts have not done so just now.
			if err := goes.End(within(t, time.Minute)); err != nil && !errors.Is(err, client.ErrNoLeader) {
				t.Fatal(err)
			}
			err := r.wait(t)
			if want := strings.ReplaceAll(tt.want, "DIR", dir); err == nil || err.Error() != want {
				t.Fatalf("got %v, want %s", err, want)
			}
			<-r.err
			r.err <- nil // as it should be, for the clean-up
			if tt.lost {
				return
			}
			// The same data, led by the next one.
			lead(t, leader.Config{DataDir: dir})
			if _, err := stays.Sign(within(t, time.Minute), "default"); err != nil {
				t.Fatal(err)
			}
			if s, err := client.Status(within(t, time.Minute), dir); err != nil || !slices.ContainsFunc(s.Tasks, func(t wire.StatusTask) bool { return t.Task == "stays" }) {
				t.Fatalf("%+v %v", s, err)
			}
		})
	}
}
