//go:build !windows

package platform

func afUnix() error { return nil }
