// Package filewatch reads small files that another process replaces or rewrites
// at any time, and follows them: renamed over, rewritten in place, swapped by
// symlink, or gone with their directory and back again.
//
// It never hands on a file that is half-written as far as that can be told from
// outside: a file that was changed just now has to read the same twice, and the
// caller's own test of completeness has to pass. Notifications of the operating
// system make it quick, a slow poll makes it certain.
//
// It does not judge who may write the files. The caller must choose paths that
// only trusted users can change, or trust nothing it reads.
package filewatch
