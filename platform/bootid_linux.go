package platform

import (
	"errors"
	"os"
	"strings"
)

func bootID() (string, error) {
	const file = "/proc/sys/kernel/random/boot_id"
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(b))
	if id == "" {
		return "", errors.New(file + " is empty")
	}
	return id, nil
}
