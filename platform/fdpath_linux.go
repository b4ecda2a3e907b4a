package platform

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func openPath(path string) (*os.File, error) {
	return os.OpenFile(path, unix.O_PATH, 0)
}

// descriptorPath works under [Harden] and for any user: the kernel lets a
// process look into its own descriptors whoever /proc says owns them.
func descriptorPath(f *os.File) (string, bool) {
	var path string
	err := control(f, func(fd int) error {
		path = fmt.Sprintf("/proc/self/fd/%d", fd)
		return nil
	})
	if err != nil {
		return "", false
	}
	// No /proc, or another process's: then there is no such path.
	there, err := os.Stat(path)
	if err != nil {
		return "", false
	}
	here, err := f.Stat()
	return path, err == nil && os.SameFile(here, there)
}
