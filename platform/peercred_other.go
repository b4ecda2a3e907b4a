//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !windows

package platform

import "errors"

func peerCred(uintptr) (Cred, error) { return Cred{}, errors.ErrUnsupported }
