// Package datadir knows the directory an embedded leader keeps everything in:
// what the files are called, whose it has to be, and which version it has.
//
// It refuses a directory that is somebody else's, that others can enter, that
// holds something else, or that a newer taskagent has written. It opens none of
// the files; that takes the lock first.
package datadir
