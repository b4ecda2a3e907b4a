//go:build !linux

package platform

import (
	"errors"
	"os"
)

func openPath(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func descriptorPath(*os.File) (string, bool) { return "", false }
