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
// It does not authorise: what a token may do is for the upstream to say. It
// keeps no verdict and logs no token. The caller listens (see package uds),
// owns the listener, and decides who may connect.
package taskapi
