// Package keyring holds the leader's keys: it signs workload identities,
// publishes the public keys, and encrypts variables.
//
// Keys live in one file that only its owner can read. A key is prepublished
// (verifiers may learn it, nothing is signed with it), active (one at a time),
// rekeying (variables are being moved off it) or inactive. An inactive key
// stays published while a token it signed may live, and stays in the file
// while a variable needs it.
//
// The package does not decide who may have what signed, and does not know which
// tasks live or which key a variable is encrypted with: it asks the functions
// given with SetHooks. It refuses a damaged, foreign or newer file and never
// writes over one. The caller holds the data directory's lock, and calls
// Advance when it is due: nothing happens here by itself.
package keyring
