//go:build !unix

package platform

import "os"

func tempRoots() []tempRoot { return nil }

func safeParent(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func canReach(string, int) bool { return true }
