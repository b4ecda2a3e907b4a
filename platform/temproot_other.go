//go:build !unix

package platform

func tempRoots() []tempRoot { return nil }

func usableTempRoot(tempRoot) bool { return false }

func canReach(string, int) bool { return true }
