// Package renew keeps the tokens of workload identities fresh.
//
// A [Renewer] takes tokens from a [Source], renews each when half of its life is
// over, and tells any number of watchers. It knows neither HTTP nor files (but
// for [FileSource], which follows tokens that a Nomad client delivers), writes
// nothing anywhere and logs nothing.
//
// It never gives a good token up: while a source is out of order the last token
// stays, retries are spaced and jittered within the life that is left, and go on
// after it. It never hammers a source, whatever the lifetimes or the errors. A
// token that expires never costs no wake-up; one that does, one a minute, so that
// a machine that slept renews when it wakes.
//
// It verifies no signature. The caller chooses a source it trusts, and must still
// look whether a token that was renewed late has expired ([identity.Token.Expiry]).
package renew
