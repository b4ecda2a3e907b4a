package platform

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func releaseImage() error {
	if err := releaseReadOnly(); err != nil {
		return fmt.Errorf("give pages of the program back: %w", err)
	}
	return nil
}

// releaseReadOnly drops the mappings of the executable that nobody can have
// written to.
func releaseReadOnly() error {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer maps.Close()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		// 00400000-00a4f000 r-xp 00000000 fe:00 1234    /usr/bin/taskagent
		f := strings.SplitN(lines.Text(), " ", 3)
		if len(f) < 3 || !strings.HasPrefix(f[1], "r-") || !strings.HasSuffix(f[2], " "+exe) {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		start, err := strconv.ParseUint(from, 16, 64)
		if err != nil {
			return err
		}
		end, err := strconv.ParseUint(to, 16, 64)
		if err != nil {
			return err
		}
		// Not unix.Madvise: it wants a slice, and this memory is not Go's.
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, uintptr(start), uintptr(end-start), unix.MADV_DONTNEED); errno != 0 {
			return os.NewSyscallError("madvise", errno)
		}
	}
	return lines.Err()
}
