package platform

// IsNoSpace reports whether err says that a file system, or what its user may
// take of it, is full.
func IsNoSpace(err error) bool { return isNoSpace(err) }

// IsReadOnlyFS reports whether err says that a file system cannot be written to
// by anybody.
func IsReadOnlyFS(err error) bool { return isReadOnlyFS(err) }
