//go:build unix && !linux

package platform_test

// Threads have no number that Go would tell.

func gettid() int { return 0 }

func threadLives(int) bool { return false }
