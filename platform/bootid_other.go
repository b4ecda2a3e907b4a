//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd

package platform

import "errors"

func bootID() (string, error) { return "", errors.ErrUnsupported }
