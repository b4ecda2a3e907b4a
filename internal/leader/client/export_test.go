package client

import "time"

// SetStartPatience changes how long a start may take before the user hears of it.
// It returns what changes it back.
func SetStartPatience(d time.Duration) (restore func()) {
	old := startPatience
	startPatience = d
	return func() { startPatience = old }
}
