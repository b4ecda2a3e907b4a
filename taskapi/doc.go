// Package taskapi serves the Task API to one task and gives task code a client
// for it.
//
// The handler is a gate and a proxy. The gate lets no request through without
// a token, whatever path it names; where the upstream does not decide about
// tokens itself, a Verifier does here. The proxy hands the rest on, streams,
// upgrades and blocking queries included, and answers 502 or 504 in words when
// the upstream is down. The package knows neither the embedded leader nor
// Nomad: it sees a function that dials, or a transport.
//
// # Two ways through
//
// Most of what a small request costs in a reverse proxy is parsing it into maps
// and writing it out again. So a [Server] reads its connections itself. A request
// in a tiny, strict grammar, which is what clients send nearly always, goes to the
// upstream and its answer back as bytes (see request.parse and relay). With
// anything else, the connection and all that was read of it go to net/http and
// [net/http/httputil.ReverseProxy], for good. Nothing ambiguous is ever forwarded
// by the first way, and the second understands everything; a test compares the two
// at random.
//
// The first way is not taken where [Config] has a Verifier, Streams or a Transport.
//
// # What it refuses, and what is left to the caller
//
// It does not authorise: what a token may do is for the upstream to say. It
// keeps no verdict and logs no token. It repeats no write that may have arrived.
// A client that closes its half of a connection while it waits has hung up, as
// for net/http, if the answer does not come at once. A Server has a bounded number
// of connections, and ends idle ones to make room.
//
// The caller listens (see package uds), owns the listener, and decides who may
// connect.
package taskapi
