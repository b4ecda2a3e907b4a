package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/wire"
)

type stream struct {
	io.Reader
	io.Writer
}

func reader(s string) *wire.Conn { return wire.NewConn(stream{strings.NewReader(s), nil}, nil) }

var requests = []wire.Request{
	{ID: 1, Start: &wire.Start{
		AllocID: "a", Region: "global", Datacenter: "dc1", Namespace: "default", Job: "j", Group: "g", Task: "t",
		Identities: []wire.Identity{{
			Spec:            identity.Spec{Name: "vault_x", Audience: []string{"a", "b"}, File: true, TTL: time.Hour, ChangeMode: identity.ChangeSignal, ChangeSignal: "SIGHUP"},
			ConsulNamespace: "c", VaultNamespace: "v", VaultRole: "r",
		}},
		Services: []wire.Service{{Name: "web", Port: 80, Address: "::1", Tags: []string{"x"}}},
		Once:     true, PID: 7, User: "u", Isolation: "uid", Socket: "/s", StartedAt: time.Unix(1, 2).UTC(),
	}},
	{ID: 2, Resume: &wire.Resume{LeaseID: "l", AllocID: "a", Task: "t"}},
	{ID: 3, Sign: &wire.Sign{Names: []string{"default", "\u2028\n"}}},
	{ID: 4, Report: &wire.Report{NextRenewal: map[string]time.Time{"default": time.Unix(5, 0).UTC()}, TaskPID: 9}},
	{ID: 5, End: &wire.End{}},
}

// What one side writes the other reads, however the bytes arrive.
func TestRoundTrip(t *testing.T) {
	var sent bytes.Buffer
	out := wire.NewConn(&sent, nil)
	for _, r := range requests {
		if err := out.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	all := sent.Bytes()
	for name, in := range map[string]*wire.Conn{
		"whole":         wire.NewConn(stream{bytes.NewReader(all), nil}, nil),
		"byte by byte":  wire.NewConn(stream{iotest.OneByteReader(bytes.NewReader(all)), nil}, nil),
		"with EOF":      wire.NewConn(stream{iotest.DataErrReader(bytes.NewReader(all)), nil}, nil),
		"part received": wire.NewConn(stream{bytes.NewReader(all[500:]), nil}, bytes.Clone(all[:500])),
		"all received":  wire.NewConn(stream{strings.NewReader(""), nil}, bytes.Clone(all)),
	} {
		t.Run(name, func(t *testing.T) {
			for _, want := range requests {
				var got wire.Request
				if err := in.Read(&got); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("got %+v, want %+v", got, want)
				}
				if err := got.Validate(); err != nil {
					t.Fatal(err)
				}
			}
			if err := in.Read(&wire.Request{}); err != io.EOF {
				t.Fatalf("at the end: %v", err)
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	long := `{"id":1,"sign":{"names":["` + strings.Repeat("x", wire.MaxLine) + `"]}}` + "\n"
	for _, tt := range []struct {
		name, in string
		want     error
	}{
		{"empty", "", io.EOF},
		{"torn", `{"id":1`, io.ErrUnexpectedEOF},
		{"torn before its newline", `{"id":1}`, io.ErrUnexpectedEOF},
		{"no JSON", "hvs.secret\n", wire.ErrMalformed},
		{"empty line", "\n", wire.ErrMalformed},
		{"two on a line", `{"id":1}{"id":2}` + "\n", wire.ErrMalformed},
		{"wrong type", `{"id":"secret"}` + "\n", wire.ErrMalformed},
		{"long", long, wire.ErrTooLong},
		{"long without end", strings.TrimSuffix(long, "\n"), wire.ErrTooLong},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := reader(tt.in).Read(&wire.Request{})
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Fatalf("quotes what it read: %v", err)
			}
		})
	}
}

func TestLongestLine(t *testing.T) {
	frame := len(`{"id":0,"error":{"code":"","message":""}}` + "\n")
	var sent bytes.Buffer
	c := wire.NewConn(&sent, nil)
	fits := wire.Response{Error: &wire.Error{Message: strings.Repeat("x", wire.MaxLine-frame)}}
	if err := c.Write(fits); err != nil {
		t.Fatal(err)
	}
	if sent.Len() != wire.MaxLine {
		t.Fatalf("%d bytes", sent.Len())
	}
	var got wire.Response
	if err := c.Read(&got); err != nil || got.Error.Message != fits.Error.Message {
		t.Fatalf("%v", err)
	}
	fits.Error.Message += "x"
	if err := c.Write(fits); !errors.Is(err, wire.ErrTooLong) || sent.Len() != 0 {
		t.Fatalf("%v, %d bytes sent", err, sent.Len())
	}
}

// An identity's own members and those of the spec within it share one object;
// a MarshalJSON on either would silently lose the other's.
func TestIdentityKeepsBoth(t *testing.T) {
	data, err := json.Marshal(wire.Identity{Spec: identity.Spec{Name: "n", TTL: 1}, VaultRole: "r"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(data), `{"name":"n","ttl":1,"vault_role":"r"}`; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func TestValidate(t *testing.T) {
	for _, r := range []wire.Request{{ID: 7}, {ID: 7, Sign: &wire.Sign{}, End: &wire.End{}}} {
		err := r.Validate()
		e, ok := errors.AsType[*wire.Error](err)
		if !ok || e.Code != wire.CodeInvalid || !strings.HasPrefix(e.Message, "request 7 asks for ") {
			t.Errorf("got %v", err)
		}
	}
}

// Every byte stream is a sequence of messages and then an error; however the
// stream is cut into reads, it is the same sequence.
func FuzzRead(f *testing.F) {
	var seed bytes.Buffer
	for _, r := range requests {
		if err := wire.NewConn(&seed, nil).Write(r); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(seed.Bytes(), uint64(1))
	f.Add([]byte("\n\n{}\n"), uint64(2))
	f.Add([]byte(`{"id":18446744073709551616}`+"\n"), uint64(3))
	f.Add([]byte(`{"id":1,"start":{"identities":[{"name":"a","ttl":-1}]}}`+"\n{"), uint64(4))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		whole := readAll(wire.NewConn(stream{bytes.NewReader(data), nil}, nil))
		rnd := rand.New(rand.NewPCG(seed, 0))
		cut := rnd.IntN(len(data) + 1)
		chunks := &chunked{data: data[cut:], rnd: rnd}
		pieces := readAll(wire.NewConn(stream{chunks, nil}, bytes.Clone(data[:cut])))
		if !reflect.DeepEqual(whole, pieces) {
			t.Fatalf("whole: %+v\nin pieces: %+v", whole, pieces)
		}
	})
}

func readAll(c *wire.Conn) (got []any) {
	for {
		var r wire.Request
		if err := c.Read(&r); err != nil {
			return append(got, err)
		}
		got = append(got, r)
	}
}

type chunked struct {
	data []byte
	rnd  *rand.Rand
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.data[:1+c.rnd.IntN(len(c.data))])
	c.data = c.data[n:]
	return n, nil
}
