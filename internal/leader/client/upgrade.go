package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/taskagent/taskagent/internal/wire"
)

const (
	maxHead    = 8 << 10
	maxRefusal = 4 << 10
)

// upgrade turns a fresh connection into one for a lease. It is written by hand
// because net/http's client would be most of what an idle agent holds.
func upgrade(conn net.Conn) (*wire.Conn, error) {
	const request = "POST " + wire.LeasePath + " HTTP/1.1\r\nHost: taskagent\r\n" +
		"Connection: Upgrade\r\nUpgrade: " + wire.Protocol + "\r\nContent-Length: 0\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, err
	}
	var head []byte
	buf := make([]byte, 512)
	for {
		n, err := conn.Read(buf)
		head = append(head, buf[:n]...)
		if i := bytes.Index(head, []byte("\r\n\r\n")); i >= 0 {
			return answered(conn, string(head[:i]), head[i+4:])
		}
		if len(head) > maxHead {
			return nil, errors.New("the answer's head has no end")
		}
		if err != nil {
			return nil, err
		}
	}
}

func answered(conn net.Conn, head string, rest []byte) (*wire.Conn, error) {
	status, _, _ := strings.Cut(head, "\r\n")
	version, code, _ := strings.Cut(status, " ")
	code, _, _ = strings.Cut(code, " ")
	n, err := strconv.Atoi(code)
	if err != nil || !strings.HasPrefix(version, "HTTP/1.") {
		return nil, errors.New("the answer is not HTTP")
	}
	if n == 101 {
		return wire.NewConn(conn, bytes.Clone(rest)), nil
	}
	body, _ := io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(rest), conn), maxRefusal))
	text := strings.TrimSpace(string(body))
	if strings.Contains(head, "chunked") || text == "" {
		text = "it gave no reason"
	}
	return nil, &refusal{n, text}
}

// refusal is an answer other than the upgrade.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the leader refuses a lease (%d): %s", r.status, r.text)
}
