// Package datafile reads and publishes the small files of a leader's data
// directory: keyring, settings, tokens, version.
//
// A file is published in one step (temporary file, sync, rename, sync of the
// directory), so after a crash there is the old one or the new one. A file
// that is a symlink, belongs to somebody else, can be opened by others, or is
// larger than it can be is refused, never mended and never replaced.
//
// It knows nothing of what is in the files; the caller holds the directory's
// lock while it publishes.
package datafile
