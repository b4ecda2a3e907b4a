//go:build !linux

package platform

func releaseImage() error { return nil }
