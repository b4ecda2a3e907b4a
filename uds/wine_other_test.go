//go:build !windows

package uds_test

func underWine() bool { return false }
