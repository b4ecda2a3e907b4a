//go:build !unix && !windows

package platform

func isNoSpace(error) bool { return false }

func isReadOnlyFS(error) bool { return false }
