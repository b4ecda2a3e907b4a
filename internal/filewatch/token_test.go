package filewatch_test

import (
	"encoding/base64"
	"testing"

	"github.com/taskagent/taskagent/internal/filewatch"
)

func token(header, body string, signature int) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(header)) + "." + enc([]byte(body)) + "." + enc(make([]byte, signature))
}

func TestCompleteToken(t *testing.T) {
	rs := token(`{"alg":"RS256"}`, `{"sub":"a"}`, 256)
	for _, tt := range []struct {
		name, in string
		want     bool
	}{
		{"RS256", rs, true},
		{"white space around it", " " + rs + "\r\n", true},
		{"EdDSA", token(`{"alg":"EdDSA"}`, `{}`, 64), true},
		{"an algorithm of the future", token(`{"alg":"ML-DSA-44"}`, `{}`, 1), true},
		{"empty", "", false},
		{"white space", "\n", false},
		{"dots", "..", false},
		{"a word", "hello", false},
		{"half of it", rs[:len(rs)/2], false},
		{"all but the last character", rs[:len(rs)-1], false},
		{"start of the new, end of the old", token(`{"alg":"RS256"}`, `{"sub":"ab`, 256), false},
		{"header not JSON", token(`alg`, `{}`, 256), false},
		{"space inside", rs[:10] + " " + rs[10:], false},
		{"line break inside", rs[:10] + "\n" + rs[10:], false},
		{"RS256 cut in the signature", token(`{"alg":"RS256"}`, `{}`, 255), false},
		{"EdDSA cut in the signature", token(`{"alg":"EdDSA"}`, `{}`, 63), false},
		{"ES384 cut in the signature", token(`{"alg":"ES384"}`, `{}`, 95), false},
		{"ES512 cut in the signature", token(`{"alg":"ES512"}`, `{}`, 131), false},
	} {
		if got := filewatch.CompleteToken([]byte(tt.in)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// FuzzCompleteToken: never a panic, and no beginning of a complete token of a
// known algorithm is complete.
func FuzzCompleteToken(f *testing.F) {
	f.Add(token(`{"alg":"RS256"}`, `{"sub":"a"}`, 256), 300)
	f.Add(token(`{"alg":"EdDSA"}`, `{}`, 64), 80)
	f.Add("..", 1)
	f.Fuzz(func(t *testing.T, in string, cut int) {
		filewatch.CompleteToken([]byte(in))
		whole := token(`{"alg":"EdDSA"}`, `{"sub":"`+base64.RawURLEncoding.EncodeToString([]byte(in))+`"}`, 64)
		if !filewatch.CompleteToken([]byte(whole)) {
			t.Fatalf("not complete: %q", whole)
		}
		if cut >= 0 && cut < len(whole) && filewatch.CompleteToken([]byte(whole[:cut])) {
			t.Fatalf("complete when cut at %d of %d: %q", cut, len(whole), whole)
		}
	})
}
