package httpapi_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzVariable writes a variable with any path and body, and reads back what was
// taken.
func FuzzVariable(f *testing.F) {
	for _, path := range []string{"a", "nomad/jobs/x", "nomad", "a//b", "a/../b", "%", "\x00", strings.Repeat("x", 129), "é"} {
		f.Add(path, `{"Items":{"k":"v"}}`, "")
	}
	f.Add("a", `{"Items":{"":"<&>\u2028"},"Lock":{"TTL":"10s","ID":"\""}}`, "lock-acquire")
	f.Add("a", `{"Namespace":"\u0000","Items":{"a":null}}`, "cas=18446744073709551615")
	f.Add("a", `{"Lock":{"TTL":1e300,"LockDelay":[]}}`, "lock-acquire&cas=")
	f.Add("a", `[[[[`, "lock-release")
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, path, body, query string) {
		u := (&url.URL{Path: "/v1/var/" + path, RawQuery: query}).String()
		if !sendable(query) {
			t.Skip()
		}
		a := w.as("PUT", u, body)
		switch a.status {
		case 200, 307, 400, 404, 409, 413:
		case 500:
			if a.body != "No path to region" && !strings.Contains(a.body, "lock") && a.body != "variable doesn't exist" {
				t.Fatalf("%v", a)
			}
			return
		default:
			t.Fatalf("%v", a)
		}
		if a.status != 200 {
			return
		}
		var written, read struct {
			Namespace, Path string
			Items           map[string]string
		}
		if err := json.Unmarshal([]byte(a.body), &written); err != nil {
			t.Fatalf("%v in %q", err, a.body)
		}
		if !utf8.ValidString(a.body) || len(written.Path) > 128 {
			t.Fatalf("%q", a.body)
		}
		r := w.as("GET", (&url.URL{Path: "/v1/var/" + written.Path, RawQuery: "namespace=" + url.QueryEscape(written.Namespace)}).String(), nil)
		if err := json.Unmarshal([]byte(r.body), &read); err != nil {
			t.Fatalf("%v in %v", err, r)
		}
		for key, value := range written.Items {
			if read.Items[key] != value {
				t.Fatalf("wrote %q, read %q", a.body, r.body)
			}
		}
		if a := w.as("DELETE", (&url.URL{Path: "/v1/var/" + written.Path, RawQuery: "namespace=" + url.QueryEscape(written.Namespace)}).String(), nil); a.status == 409 {
			w.as("PUT", (&url.URL{Path: "/v1/var/" + written.Path, RawQuery: "lock-release&namespace=" + url.QueryEscape(written.Namespace)}).String(), a.body)
		}
	})
}

// sendable reports whether a query string can be part of a request line at all.
func sendable(query string) bool {
	return !strings.ContainsFunc(query, func(c rune) bool { return c <= ' ' || c == 0x7f })
}

// FuzzListParameters asks for a list with any parameters: it answers, or says what
// is wrong with them.
func FuzzListParameters(f *testing.F) {
	for _, q := range []string{"prefix=a&per_page=2", "next_token=default.a", "filter=VariableMetadata.Path+%3D%3D+%22a%22", "filter=((", "per_page=-1",
		"namespace=*&reverse=true&next_token=.", "index=0&wait=1ns", "stale=x", "pretty&filter=not+%22", "next_token=%00&namespace=%00"} {
		f.Add(q)
	}
	w := newWorld(f)
	for _, path := range []string{"a", "a/b", "b"} {
		w.must("PUT", "/v1/var/"+path, obj{"Items": obj{"k": "v"}})
	}
	f.Fuzz(func(t *testing.T, query string) {
		if args, err := url.ParseQuery(query); !sendable(query) || err != nil || args.Get("index") > "0" || args.Get("region") != "" {
			t.Skip() // it might block
		}
		for _, path := range []string{"/v1/vars", "/v1/acl/tokens", "/v1/service/x", "/v1/namespaces"} {
			a := w.as("GET", path+"?"+(&url.URL{RawQuery: query}).RawQuery, nil)
			if a.status != 200 && a.status != 400 {
				t.Fatalf("%s: %v", path, a)
			}
			if a.status == 200 && !json.Valid([]byte(a.body)) {
				t.Fatalf("%s: %q", path, a.body)
			}
		}
	})
}
