// Package platform holds the operating system's primitives that taskagent is
// built from: ownership and modes of files, private directories, a place in
// memory for secrets, locks, atomic renames, peer credentials of a Unix
// socket, process groups, signals, the terminal, and hardening of a process
// that holds tokens.
//
// It decides nothing. Whether a directory that others can enter is refused,
// which user owns a token, how long a lock is waited for: all of that is the
// caller's. Each function is one primitive, documented once here in a shared
// file and implemented by a lower-case twin per operating system.
//
// Where an operating system lacks a primitive that security rests on, the
// function returns an error matching [errors.ErrUnsupported]; it never
// pretends. A function does nothing without saying so only where nothing is
// lost, and its comment says where.
//
// A caller must still check who owns what it was given: a private directory
// is one that only its owner can enter, and the owner may be a stranger.
package platform
