//go:build !unix

package state

// syncDir does nothing: Windows has no way to sync a directory, and journals renames.
func syncDir(string) error { return nil }
