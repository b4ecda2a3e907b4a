//go:build !unix && !windows

package platform

import (
	"errors"
	"os"
)

func isPrivateDir(string) (bool, error) { return false, errors.ErrUnsupported }

func makePrivateDir(string, int, int) error { return errors.ErrUnsupported }

func protectFile(*os.File) error { return errors.ErrUnsupported }

func protectSocket(string) error { return errors.ErrUnsupported }
