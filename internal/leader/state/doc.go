// Package state is the leader's store: variables and their locks, services,
// running tasks, namespaces, ACL policies and tokens.
//
// It keeps two bbolt files in the data directory. state.db holds what must
// outlive the machine: a write that returned nil is on the disk. allocs.db holds
// running tasks and their services, which must outlive the leader but not the
// machine: its writes reach the kernel, and a file of an earlier boot is
// discarded. Items of variables and secrets of tokens are encrypted with a
// Crypter; names, paths and times are not.
//
// Every write gets an index from one counter; each table remembers the index of
// its last change, and Watch wakes who waits for a change of what it names. To
// miss nothing: Watch, then Index, then read.
//
// The store decides nothing about who may do what, and does not check names
// beyond what its keys need: that is for the caller. It refuses files that are
// foreign, damaged, or of a newer version, with an *Error that says what to do,
// and never replaces one of those. One Store at a time may have a directory
// open; the caller holds the directory's lock. What a method returns is shared
// and not to be changed. All methods may be called by several goroutines.
package state
