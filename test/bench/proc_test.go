//go:build linux

package bench_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// memory is what a process holds, in bytes: resident counts shared pages in full
// (rss), proportional divides them among those who share them (pss), private is
// what the process alone has. To anybody but root a hardened process shows the
// first alone; it then stands for the second, and private is zero.
type memory struct{ resident, proportional, private int64 }

const mib = 1 << 20

func memoryOf(tb testing.TB, pid int) memory {
	tb.Helper()
	var m memory
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if errors.Is(err, fs.ErrPermission) {
		data, err = os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	}
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kb, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "Rss:":
			m.resident = kb << 10
		case "VmRSS:": // of status
			m.resident, m.proportional = kb<<10, kb<<10
		case "Pss:":
			m.proportional = kb << 10
		case "Private_Clean:", "Private_Dirty:":
			m.private += kb << 10
		}
	}
	return m
}

// activity is what a process has done since it began.
type activity struct {
	cpu      time.Duration
	switches int64 // voluntary context switches: each is a thread that woke and went to sleep again
}

// activityOf adds up a process's threads.
func activityOf(tb testing.TB, pid int) activity {
	tb.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(threads) == 0 {
		tb.Fatalf("process %d has gone: %v", pid, err)
	}
	var a activity
	for _, dir := range threads {
		stat, err := os.ReadFile(filepath.Join(dir, "schedstat"))
		if err != nil {
			continue // the thread has ended
		}
		ran, _, _ := bytes.Cut(stat, []byte(" "))
		ns, _ := strconv.ParseInt(string(ran), 10, 64)
		a.cpu += time.Duration(ns)
		status, _ := os.ReadFile(filepath.Join(dir, "status"))
		if _, rest, ok := bytes.Cut(status, []byte("\nvoluntary_ctxt_switches:\t")); ok {
			n, _, _ := bytes.Cut(rest, []byte("\n"))
			v, _ := strconv.ParseInt(string(n), 10, 64)
			a.switches += v
		}
	}
	return a
}

func (a activity) since(b activity) activity { return activity{a.cpu - b.cpu, a.switches - b.switches} }
