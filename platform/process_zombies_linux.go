package platform

import (
	"bytes"
	"os"
	"strconv"
)

// groupOfZombies reports whether every member left of the group is a zombie.
// It looks at every process there is, and so is only for a group that does not
// go by itself. A process that cannot be read is on its way out.
func (p *Process) groupOfZombies() bool {
	proc, err := os.Open("/proc")
	if err != nil {
		return false
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return false
	}
	group := []byte(strconv.Itoa(p.pid))
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		// pid (name) state parent group …; the name may hold anything, so
		// what follows begins at the last bracket.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 3 || !bytes.Equal(fields[2], group) {
			continue
		}
		if state := fields[0][0]; state != 'Z' && state != 'X' {
			return false
		}
	}
	return true
}
