package leader

import (
	"testing"
)

func TestListenAddress(t *testing.T) {
	for _, tt := range []struct{ in, want, err string }{
		{"", "", ""},
		{"4646", "127.0.0.1:4646", ""},
		{":4646", "127.0.0.1:4646", ""},
		{"0.0.0.0:4646", "0.0.0.0:4646", ""},
		{"[::1]:0", "[::1]:0", ""},
		{"localhost:4646", "localhost:4646", ""},
		{"x", "", `http address "x": want HOST:PORT`},
		{"a:http", "", `http address "a:http": port "http" is not a number from 0 to 65535`},
		{":70000", "", `http address ":70000": port "70000" is not a number from 0 to 65535`},
	} {
		got, err := listenAddress(tt.in)
		msg := ""
		if err != nil {
			msg = err.Error()
		}
		if got != tt.want || msg != tt.err {
			t.Errorf("%q: %q %q", tt.in, got, msg)
		}
	}
	for _, issuer := range []string{"ftp://x", "x", "https://", "https://u@x", "https://x?q", "https://x#f"} {
		if checkIssuer(issuer) == nil {
			t.Errorf("issuer %q is accepted", issuer)
		}
	}
	for _, issuer := range []string{"", "http://x:1", "https://x/y"} {
		if err := checkIssuer(issuer); err != nil {
			t.Error(err)
		}
	}
}
