// Package rpc calls Nomad's servers over their RPC port.
//
// A Client takes the servers in turn: one that refuses, hangs, tears an answer
// or has no leader is passed over for the next, and when none is left it waits,
// with jitter, and begins again, for as long as it was allowed. Calls are reads
// that may be sent twice; it must not be used for others. Everything is bounded
// in time and in size.
//
// A connection lives as long as its calls, and calls that belong together share
// one. Nomad offers yamux as well, to run calls side by side; a session would
// cost an idle agent three goroutines and a keep-alive timer to save a handshake
// now and then.
//
// The authentication token is asked for when a request is about to be written,
// and overwritten as soon as it was. It is in no error: what a server says is
// searched for it first. Over a connection without TLS anybody on the way can
// read it; the caller decides about that. The caller, too, decides which methods
// are called: some make a server take the connection for a Nomad client's own.
package rpc
