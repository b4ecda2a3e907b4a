//go:build !unix && !windows

package platform

import "errors"

func harden() error { return errors.ErrUnsupported }

func startUnhardened(start func() error) error { return start() }
