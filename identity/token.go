package identity

import (
	"fmt"
	"io"
	"log/slog"
	"time"
	"unique"
)

// Token is a workload identity's token. It prints as a fixed word wherever it is
// formatted, logged or encoded; only Reveal returns its text. Tokens are equal
// (==) when their texts are, and may be used by several goroutines. The zero
// Token is no token.
type Token struct {
	// Behind a handle, because fmt prints the unexported fields of a struct around
	// this one without asking it; what it finds here is an address. A plain
	// pointer would do as much, but not compare by content.
	text        unique.Handle[string]
	issued, exp time.Time
}

func newToken(raw string, c Claims) Token {
	return Token{text: unique.Make(raw), issued: c.IssuedAt, exp: c.Expiry}
}

// Reveal returns the text of the token, the secret itself. It is for handing the
// token to what needs it, never for logs or errors.
func (t Token) Reveal() string {
	if t.IsZero() {
		return ""
	}
	return t.text.Value()
}

// IsZero reports whether there is no token.
func (t Token) IsZero() bool { return t == Token{} }

// IssuedAt returns when the token says it was signed, zero when it does not say.
func (t Token) IssuedAt() time.Time { return t.issued }

// Expiry returns when the token expires, zero when never.
func (t Token) Expiry() time.Time { return t.exp }

// String returns a fixed word in place of the token.
func (t Token) String() string {
	if t.IsZero() {
		return "identity.Token(none)"
	}
	return "identity.Token(redacted)"
}

// GoString returns what String does.
func (t Token) GoString() string { return t.String() }

// Format writes what String returns, whatever the verb and its flags.
func (t Token) Format(f fmt.State, verb rune) { _, _ = io.WriteString(f, t.String()) }

// MarshalText returns what String does.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// MarshalJSON returns what String does, as a JSON string.
func (t Token) MarshalJSON() ([]byte, error) { return []byte(`"` + t.String() + `"`), nil }

// LogValue returns what String does.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }
