// Package client is the agent's and the operator's side of the embedded leader:
// it finds the leader of a data directory, starts one where none answers, and
// keeps a lease on a task for as long as the task lives.
//
// It makes sure that whoever answers is the data directory's owner or root
// before it sends anything. It starts no leader for a directory that belongs to
// somebody else, and never waits for the one it started: the process lives on
// by itself. Reads and the requests of a lease are sent again when a leader is
// lost on the way; nothing else is.
//
// Of everything an agent links, this must stay small: no store, no policy
// language, no HTTP client on the path of a lease.
package client
