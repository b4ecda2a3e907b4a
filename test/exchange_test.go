package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// exchange is a request and the answer it has to get: see
// testdata/conformance/README.md.
type exchange struct {
	As, Via, Method, Path string
	Bearer                bool
	Headers               map[string]string
	Body                  json.RawMessage // a string is sent as it is, anything else as JSON
	Capture               map[string]string
	Loose                 []string
	Note                  string
	Expect                answer
}

// answer is what is compared of an answer.
type answer struct {
	Status  int
	Type    string
	Headers map[string]string
	Body    any
}

// comparedHeaders are those whose presence, or value, is compared.
var comparedHeaders = []string{"X-Nomad-Index", "X-Nomad-NextToken", "X-Nomad-KnownLeader"}

var (
	placeholder = regexp.MustCompile(`\$\{(\w+|.\*\d+)\}`)
	uuidPattern = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
)

// expand replaces ${NAME} by what was captured and ${x*9} by nine times x. What
// nobody captured stays.
func expand(s string, captured map[string]string) string {
	return placeholder.ReplaceAllStringFunc(s, func(m string) string {
		name := m[2 : len(m)-1]
		if what, count, ok := strings.Cut(name, "*"); ok {
			n, _ := strconv.Atoi(count)
			return strings.Repeat(what, n)
		}
		if v, ok := captured[name]; ok {
			return v
		}
		return m
	})
}

// send sends the request as it stands, byte for byte, to a listener.
func (e *exchange) send(network, address, token string, captured map[string]string) (*answer, error) {
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	host := address
	if network == "unix" {
		host = "localhost"
	}
	var req bytes.Buffer
	fmt.Fprintf(&req, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", e.Method, expand(e.Path, captured), host)
	for k, v := range e.Headers {
		fmt.Fprintf(&req, "%s: %s\r\n", k, v)
	}
	switch {
	case token == "":
	case e.Bearer:
		fmt.Fprintf(&req, "Authorization: Bearer %s\r\n", token)
	default:
		fmt.Fprintf(&req, "X-Nomad-Token: %s\r\n", token)
	}
	body := string(e.Body)
	var text string
	if json.Unmarshal(e.Body, &text) == nil {
		body = text
	}
	body = expand(body, captured)
	if e.Body != nil || e.Method == http.MethodPut || e.Method == http.MethodPost {
		fmt.Fprintf(&req, "Content-Length: %d\r\n", len(body))
	}
	req.WriteString("\r\n" + body)
	if _, err := conn.Write(req.Bytes()); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: e.Method})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return readAnswer(resp, raw), nil
}

func readAnswer(resp *http.Response, raw []byte) *answer {
	got := &answer{Status: resp.StatusCode, Headers: map[string]string{}, Body: string(raw)}
	got.Type, _, _ = strings.Cut(resp.Header.Get("Content-Type"), ";")
	for _, h := range comparedHeaders {
		if v := resp.Header.Values(h); v != nil {
			got.Headers[h] = v[0]
		}
	}
	if len(raw) > 0 && strings.ContainsRune(`{["`, rune(raw[0])) {
		var v any
		if json.Unmarshal(raw, &v) == nil {
			got.Body = v
		}
	}
	return got
}

// differences compares an answer with the expected one.
func (e *exchange) differences(got *answer, captured map[string]string) []string {
	var out []string
	diff := func(part string, same bool, want, have any) {
		if !same && !slices.Contains(e.Loose, part) {
			w, _ := json.Marshal(want)
			h, _ := json.Marshal(have)
			out = append(out, fmt.Sprintf("%s is %.300s, want %.300s", part, h, w))
		}
	}
	want := e.Expect
	diff("status", got.Status == want.Status, want.Status, got.Status)
	diff("type", got.Type == want.Type, want.Type, got.Type)
	same := len(got.Headers) == len(want.Headers)
	for k, v := range want.Headers {
		have, ok := got.Headers[k]
		same = same && ok && (v == "<set>" || like(v, have, "", captured))
	}
	diff("headers", same, want.Headers, got.Headers)
	if want.Body == nil {
		want.Body = "" // an empty one is left out
	}
	diff("body", like(want.Body, got.Body, "", captured), want.Body, got.Body)
	return out
}

// like reports whether a value is like the pattern. What Nomad lists in no
// particular order may come in any: services, and the tags of one.
func like(pattern, value any, key string, captured map[string]string) bool {
	switch p := pattern.(type) {
	case string:
		return likeString(p, value, captured)
	case []any:
		v, ok := value.([]any)
		if !ok || len(v) != len(p) {
			return false
		}
		if anyOrder := key == "Tags" || isServices(v); !anyOrder {
			for i := range p {
				if !like(p[i], v[i], "", captured) {
					return false
				}
			}
			return true
		}
		left := slices.Clone(v)
		for _, item := range p {
			i := slices.IndexFunc(left, func(v any) bool { return like(item, v, "", captured) })
			if i < 0 {
				return false
			}
			left = slices.Delete(left, i, i+1)
		}
		return true
	case map[string]any:
		v, ok := value.(map[string]any)
		if !ok || len(v) != len(p) {
			return false
		}
		for k := range p {
			if have, ok := v[expand(k, captured)]; !ok || !like(p[k], have, k, captured) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(pattern, value)
	}
}

func likeString(p string, value any, captured map[string]string) bool {
	v, isString := value.(string)
	switch p {
	case "<int>":
		_, ok := value.(float64)
		return ok
	case "<str>":
		return isString
	case "<NoneType>":
		return value == nil
	}
	return isString && (v == expand(p, captured) || strings.Contains(p, "<uuid>") && uuidPattern.ReplaceAllString(v, "<uuid>") == p)
}

func isServices(list []any) bool {
	for _, item := range list {
		if m, ok := item.(map[string]any); !ok || m["ServiceName"] == nil {
			return false
		}
	}
	return len(list) > 0
}

// pick returns the part of an answer that a path such as 0.ID names.
func pick(v any, path string) (string, bool) {
	for p := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[p]
		case []any:
			i, err := strconv.Atoi(p)
			if err != nil || i >= len(x) {
				return "", false
			}
			v = x[i]
		}
	}
	switch x := v.(type) {
	case string:
		return x, true
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64), true
	}
	return "", false
}
