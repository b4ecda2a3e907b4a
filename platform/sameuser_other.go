//go:build !unix && !windows

package platform

func sameUser(Cred) bool { return false }
