// Package identity describes Nomad workload identities: the specification of
// one (an identity block), the claims a signed one carries, and the token
// itself, and verifies tokens against a key set.
//
// It signs nothing, fetches nothing and reads no file. It refuses every
// signature algorithm but RS256 and EdDSA, tokens over 64 KiB, and tokens that
// are not written in the one canonical way, so that no two texts are the same
// token. A Token keeps its raw text to itself (see Token.Reveal).
//
// Whoever parses a token with ParseInsecure has verified nothing yet. Whoever
// verifies one must still ask whether what it names is still there: a token
// outlives the task it was signed for until it expires.
package identity
