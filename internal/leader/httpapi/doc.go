// Package httpapi answers Nomad's HTTP API from the leader's store: variables
// and their locks, services, namespaces, ACL policies and tokens, the keyring,
// and what clients ask about the agent. Paths, bodies, status codes and headers
// are those of Nomad 2.0.5, also where they are odd, so that clients made for
// Nomad work unchanged.
//
// It has three doors. TaskHandler is where tasks' traffic arrives: every request
// needs a good token, whatever it asks for. OperatorHandler is for operators, with
// a token where Nomad wants one, and for those who fetch keys. TrustedHandler is
// for callers whom somebody else has vouched for; a request without a token may
// do everything there. What a token may do is decided anew for every request,
// and again when a blocked one wakes.
//
// It refuses, where Nomad does not: a token it cannot make sense of with 403
// where Nomad answers 500; a Host that is a stranger's name at the operators'
// door, and a write that a web page of another origin makes there; a body larger
// than any that could be right.
//
// The caller must serve the handlers on listeners that only the right peers
// reach, bound the time a client may take to send its headers, leave room for
// blocked requests (a little over five minutes) in any time to write, and close
// Config.Done before it shuts a server down, so that blocked requests end.
package httpapi
