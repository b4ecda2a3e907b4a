// Package boltfile examines a bbolt file before bbolt opens it.
//
// bbolt trusts its file: it maps it and follows page numbers, so a truncated or
// damaged file ends the process with a memory fault where an error was wanted.
// Check reads the file as untrusted bytes and follows every reference with
// bounds, so that what passes can be opened.
//
// It changes nothing and repairs nothing. It does not know what the keys and
// values mean, and bbolt keeps no checksum of them: a flipped bit inside a value
// is for the caller to find. Nobody may write to the file meanwhile.
package boltfile
