//go:build !unix

package platform

import (
	"errors"
	"fmt"
)

func lookupUser(spec string) (User, error) {
	return User{}, fmt.Errorf("user %q: this system has no numeric users: %w", spec, errors.ErrUnsupported)
}
