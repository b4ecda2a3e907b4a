package identity_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/identity"
)

func parse(t testing.TB, raw string) identity.Token {
	t.Helper()
	tok, _, err := identity.ParseInsecure(raw)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// TestTokenRedacted looks for any part of the token in everything that can be
// made of it short of Reveal.
func TestTokenRedacted(t *testing.T) {
	raw := signEd(t, sampleClaims())
	tok := parse(t, raw)
	type holder struct {
		Exported identity.Token
		hidden   identity.Token // fmt does not ask the methods of this one
		m        map[string]identity.Token
		p        *identity.Token
	}
	h := holder{tok, tok, map[string]identity.Token{"a": tok}, &tok}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10s", "%p", "%T"} {
		fmt.Fprintf(&out, verb+"\n", tok)
		fmt.Fprintf(&out, verb+"\n", &tok)
		fmt.Fprintf(&out, verb+"\n", h)
		fmt.Fprintf(&out, verb+"\n", &h)
		fmt.Fprintf(&out, verb+"\n", []any{tok, h})
	}
	for _, v := range []any{tok, &tok, h, map[string]any{"t": tok}, map[identity.Token]int{tok: 1}} {
		data, err := json.Marshal(v)
		if err != nil {
			t.Errorf("json.Marshal(%T): %v", v, err)
		}
		out.Write(data)
	}
	data, err := xml.Marshal(tok)
	if err != nil {
		t.Error(err)
	}
	out.Write(data)
	for _, asJSON := range []bool{false, true} {
		hclog.New(&hclog.LoggerOptions{Output: &out, JSONFormat: asJSON}).Error("msg", "token", tok, "ptr", &tok, "holder", h, "err", fmt.Errorf("%w: %v", errors.New("x"), tok))
	}
	slog.New(slog.NewTextHandler(&out, nil)).Error("msg", "token", tok, "holder", h)
	slog.New(slog.NewJSONHandler(&out, nil)).Error("msg", "token", tok, "holder", h)

	var hexed bytes.Buffer
	for part := range strings.SplitSeq(raw, ".") {
		fmt.Fprintf(&hexed, "%x", part)
		for _, form := range []string{part, fmt.Sprintf("%x", part), fmt.Sprintf("%X", part)} {
			if strings.Contains(out.String(), form) {
				t.Fatalf("part of the token in the output:\n%s", out.String())
			}
		}
	}
	if !strings.Contains(out.String(), "identity.Token(redacted)") {
		t.Errorf("nothing says that a token was there:\n%s", out.String())
	}
}

func TestToken(t *testing.T) {
	raw, other := signEd(t, sampleClaims()), signEd(t, identity.Claims{Subject: "x"})
	tok := parse(t, raw)
	if tok.Reveal() != raw {
		t.Error("Reveal returns another text")
	}
	if tok != parse(t, strings.Clone(raw)) {
		t.Error("tokens of the same text differ")
	}
	if tok == parse(t, other) || tok == (identity.Token{}) {
		t.Error("different tokens are equal")
	}
	if !tok.IssuedAt().Equal(now) || !tok.Expiry().Equal(now.Add(time.Hour)) || tok.IsZero() {
		t.Errorf("issued %v, expires %v, zero %v", tok.IssuedAt(), tok.Expiry(), tok.IsZero())
	}
	var zero identity.Token
	if !zero.IsZero() || zero.Reveal() != "" || zero.String() != "identity.Token(none)" || !zero.Expiry().IsZero() {
		t.Errorf("zero token: %v %q", zero, zero.Reveal())
	}
	if never := parse(t, other); !never.Expiry().IsZero() {
		t.Errorf("a token without exp expires %v", never.Expiry())
	}
}

func TestParseInsecure(t *testing.T) {
	raw := signEd(t, sampleClaims())
	parts := strings.Split(raw, ".")
	_, claims, err := identity.ParseInsecure(raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sampleClaims(), claims); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, tt := range []struct{ name, raw, want string }{
		{"empty", "", "not a token: it is empty"},
		{"a word", "not-a-token", "not a token: it is not three parts separated by dots"},
		{"four parts", raw + ".x", "not a token: it is not three parts separated by dots"},
		{"no signature", parts[0] + "." + parts[1] + ".", "not a token: part 3 is empty or has a line break"},
		{"cut in the body", parts[0] + "." + parts[1][:21] + "." + parts[2], "not a token: part 2 is not base64url"},
		{"trailing newline", raw + "\n", "not a token: part 3 is empty or has a line break"},
		{"newline inside", raw[:10] + "\n" + raw[10:], "not a token: part 1 is empty or has a line break"},
		{"padding", raw + "=", "not a token: part 3 is not base64url"},
		{"space", " " + raw, "not a token: part 1 is not base64url"},
		{"too long", strings.Repeat("a", identity.MaxTokenSize+1), "not a token: it is longer than 65536 bytes"},
		{"header no object", b64([]byte(`"x"`)) + "." + parts[1] + "." + parts[2], "not a token: header: it is not a JSON object"},
		{"header without alg", b64([]byte(`{"Alg":"RS256"}`)) + "." + parts[1] + "." + parts[2], "not a token: header: it names no algorithm"},
		{"kid a number", b64([]byte(`{"alg":"RS256","kid":1}`)) + "." + parts[1] + "." + parts[2], "not a token: header: kid is not a string"},
		{"crit", b64([]byte(`{"alg":"RS256","crit":["b64"],"b64":false}`)) + "." + parts[1] + "." + parts[2], "not a token: header: crit is not supported"},
		{"body no object", parts[0] + "." + b64([]byte(`[]`)) + "." + parts[2], "not a token: body: it is not a JSON object"},
		{"bad exp", parts[0] + "." + b64([]byte(`{"exp":"soon"}`)) + "." + parts[2], "not a token: body: claim exp is not a number of seconds"},
	} {
		tok, _, err := identity.ParseInsecure(tt.raw)
		if !errors.Is(err, identity.ErrMalformed) || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
		if !tok.IsZero() {
			t.Errorf("%s: a token beside the error", tt.name)
		}
	}
}

func TestParseHeaderInsecure(t *testing.T) {
	h, err := identity.ParseHeaderInsecure(signEd(t, sampleClaims()))
	if want := (identity.Header{Algorithm: "EdDSA", KeyID: "ed"}); err != nil || h != want {
		t.Errorf("got %+v, %v, want %+v", h, err, want)
	}
	if _, err := identity.ParseHeaderInsecure("x"); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

// FuzzParseInsecure: no panic, no error that quotes the input, and what was read
// is revealed as it was given.
func FuzzParseInsecure(f *testing.F) {
	raw := signEd(f, sampleClaims())
	f.Add(raw)
	f.Add(raw[:len(raw)/2])
	f.Add("..")
	f.Add("e30.e30.e30")
	f.Add(b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(`{"aud":["a",1],"exp":1e308}`)) + ".AA")
	f.Fuzz(func(t *testing.T, raw string) {
		tok, claims, err := identity.ParseInsecure(raw)
		if err != nil {
			if len(raw) > 20 && strings.Contains(err.Error(), raw) {
				t.Fatalf("the error quotes its input: %v", err)
			}
			return
		}
		if tok.Reveal() != raw || !tok.Expiry().Equal(claims.Expiry) {
			t.Fatalf("token %q expiring %v of %q, %v", tok.Reveal(), tok.Expiry(), raw, claims.Expiry)
		}
		body, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		var again identity.Claims
		if err := json.Unmarshal(body, &again); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
	})
}
