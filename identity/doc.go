// Package identity describes Nomad workload identities: the specification of
// one (an identity block), the claims a signed one carries, and the token
// itself, and verifies tokens against a key set.
//
// It signs nothing, fetches nothing and reads no file. A Token keeps its raw
// text to itself (see Token.Reveal); whoever parses one with ParseInsecure has
// verified nothing yet.
package identity
