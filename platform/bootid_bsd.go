//go:build freebsd || netbsd || openbsd

package platform

import (
	"encoding/hex"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

func bootID() (string, error) {
	if runtime.GOOS == "freebsd" { // from 13 on
		if id, err := unix.SysctlRaw("kern.boot_id"); err == nil && len(id) > 0 {
			return hex.EncodeToString(id), nil
		}
	}
	tv, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d.%06d", tv.Sec, tv.Usec), nil
}
