package nomad_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/internal/nomad"
)

// exchange is one Fetch, as testdata/exchanges keeps it:
//
//	# why
//	alloc ID
//	task NAME
//	names NAME…
//	region NAME
//	want TOKEN-OR-ERROR, a line each
//	connection
//	> what was sent, in hex
//	< what was answered
type exchange struct {
	why, alloc, task, region string
	names, want              []string
	connections              []*connection
}

type connection struct{ sent, answered []byte }

// zeroSecret takes the place of the node's secret in what is kept.
const zeroSecret = "00000000-0000-0000-0000-000000000000"

func (x *exchange) write(t *testing.T, path string) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\nalloc %s\ntask %s\nregion %s\nnames %s\n", x.why, x.alloc, x.task, x.region, strings.Join(x.names, " "))
	for _, w := range x.want {
		fmt.Fprintf(&b, "want %s\n", w)
	}
	for _, c := range x.connections {
		b.WriteString("connection\n")
		writeHex(&b, ">", c.sent)
		writeHex(&b, "<", c.answered)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func writeHex(b *strings.Builder, mark string, data []byte) {
	for len(data) > 0 {
		n := min(len(data), 48)
		fmt.Fprintf(b, "%s %x\n", mark, data[:n])
		data = data[n:]
	}
}

func readExchange(t testing.TB, path string) *exchange {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x := new(exchange)
	c := new(connection)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		mark, rest, _ := strings.Cut(lines.Text(), " ")
		data, _ := hex.DecodeString(rest)
		switch mark {
		case "#":
			x.why = rest
		case "alloc":
			x.alloc = rest
		case "task":
			x.task = rest
		case "region":
			x.region = rest
		case "names":
			x.names = strings.Fields(rest)
		case "want":
			x.want = append(x.want, rest)
		case "connection":
			c = new(connection)
			x.connections = append(x.connections, c)
		case ">":
			c.sent = append(c.sent, data...)
		case "<":
			c.answered = append(c.answered, data...)
		default:
			t.Fatalf("%s: what is %q?", path, lines.Text())
		}
	}
	return x
}

func exchangeFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/exchanges/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded exchanges: %v", err)
	}
	return files
}

// recorder keeps what goes over a connection. A Source uses one connection at a
// time, from one goroutine.
type recorder struct {
	net.Conn
	c      *connection
	secret []byte
}

func recordTo(x *exchange, addr string, secret []byte) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		c := new(connection)
		x.connections = append(x.connections, c)
		return &recorder{conn, c, secret}, nil
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.c.sent = append(r.c.sent, bytes.ReplaceAll(p, r.secret, []byte(zeroSecret))...)
	return r.Conn.Write(p)
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.c.answered = append(r.c.answered, p[:n]...)
	return n, err
}

// outcome is what a Fetch came to, in lines that can be compared.
func outcome(t testing.TB, s *nomad.Source, names []string) []string {
	t.Helper()
	tokens, err := s.Fetch(t.Context(), names)
	var lines []string
	for _, name := range names {
		if token, ok := tokens[name]; ok {
			lines = append(lines, "token "+subject(t, token))
		}
	}
	if err != nil {
		lines = append(lines, "error "+err.Error())
	}
	return lines
}
