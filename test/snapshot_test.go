//go:build unix

package test

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// TestSnapshotsWhileWriting takes backups in the midst of writes: each is one
// moment, with everything acknowledged before it was asked for. Two variables
// that are written one after the other never differ by more than one step in it.
func TestSnapshotsWhileWriting(t *testing.T) {
	w := newWorld(t)
	w.start("redis", []string{"-job", "example"})
	l := &ledger{t: t, w: w, possible: map[string][]string{}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { l.churn(ctx, policyKind, 4) })
	wg.Go(func() {
		for n := 1; ctx.Err() == nil && !t.Failed(); n++ {
			for _, key := range []string{"var-first", "var-second"} {
				l.write(variableKind, key, fmt.Sprint(n))
			}
		}
	})
	eventually(t, "the first writes", func() bool { return l.now("var-second") != "" || t.Failed() })
	for i := range 5 {
		first, _ := strconv.Atoi(l.now("var-first"))
		second, _ := strconv.Atoi(l.now("var-second"))
		file := filepath.Join(w.dir, fmt.Sprintf("backup-%d", i))
		w.must("leader", "-snapshot", file)

		restored := &world{t: t, dir: w.dir, dataDir: filepath.Join(w.dir, fmt.Sprintf("restored-%d", i))}
		restored.must("leader", "-restore", file)
		a, _ := strconv.Atoi(restored.must("var", "get", "-item", "N", "var-first"))
		b, _ := strconv.Atoi(restored.must("var", "get", "-item", "N", "var-second"))
		if a < first || b < second || a-b != 0 && a-b != 1 {
			t.Errorf("snapshot %d holds %d and %d, acknowledged before were %d and %d", i, a, b, first, second)
		}
		if err := stopLeader(restored.dataDir); err != nil {
			t.Error(err)
		}
		eventually(t, "writes to go on", func() bool { return l.now("var-first") != strconv.Itoa(a) || t.Failed() })
	}
	cancel()
	wg.Wait()
}
