package platform

import "fmt"

// BootID returns a string that stays the same until the machine is started
// again and differs afterwards, to tell what an earlier boot left behind.
// Containers on one machine share it. Where the system has none (Windows) the
// error matches [errors.ErrUnsupported].
//
// NetBSD and OpenBSD only know the time of the boot, which moves when the
// clock is set; there a new id may come without a boot.
func BootID() (string, error) {
	id, err := bootID()
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return id, nil
}
