package platform_test

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func gettid() int { return unix.Gettid() }

func threadLives(tid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid))
	return err == nil
}
