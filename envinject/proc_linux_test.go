package envinject_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// proc is one process as /proc has it.
type proc struct {
	pid, parent, group, session int
	state, name                 string
}

func processes(t *testing.T) []proc {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var all []proc
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		open, end := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')')
		fields := strings.Fields(string(stat[end+1:]))
		parent, _ := strconv.Atoi(fields[1])
		group, _ := strconv.Atoi(fields[2])
		session, _ := strconv.Atoi(fields[3])
		all = append(all, proc{pid, parent, group, session, fields[0], string(stat[open+1 : end])})
	}
	return all
}

// livingInGroup lists the members of a process group that are no zombies.
func livingInGroup(t *testing.T, pgid int) []proc {
	t.Helper()
	var living []proc
	for _, p := range processes(t) {
		if p.group == pgid && p.state != "Z" && p.state != "X" {
			living = append(living, p)
		}
	}
	return living
}

// childrenOf lists a process's children, zombies among them.
func childrenOf(t *testing.T, pid int) []proc {
	t.Helper()
	var children []proc
	for _, p := range processes(t) {
		if p.parent == pid {
			children = append(children, p)
		}
	}
	return children
}
