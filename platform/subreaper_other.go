//go:build unix && !linux && !dragonfly && !(freebsd && (amd64 || arm64 || riscv64))

package platform

import (
	"errors"
	"fmt"
)

func becomeSubreaper() error {
	return fmt.Errorf("adopt orphaned processes: %w", errors.ErrUnsupported)
}
