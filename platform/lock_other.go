//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package platform

import (
	"errors"
	"os"
)

func lockHandle(*os.File, bool) error { return errors.ErrUnsupported }

func lockDir(*os.File) error { return errors.ErrUnsupported }
