package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/wire"
)

// longestBlock is more than a blocking query may wait: 5 minutes and a 16th.
const longestBlock = 6 * time.Minute

// HTTP returns a client for Nomad's API at leader.sock, after making sure that a
// leader is there. Whatever host its requests name, they go to the leader. The
// caller is vouched for by the kernel and needs no token.
func HTTP(ctx context.Context, o Options) (*http.Client, error) {
	conn, err := Connect(ctx, o)
	if err != nil {
		return nil, err
	}
	conn.Close()
	tr := transport(func(ctx context.Context) (net.Conn, error) { return Connect(ctx, o) })
	tr.ResponseHeaderTimeout = longestBlock
	return &http.Client{Transport: tr}, nil
}

func transport(dial func(context.Context) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableCompression: true,
		MaxIdleConns:       2,
		IdleConnTimeout:    10 * time.Second,
	}
}

// Who asks the leader of the data directory who it is. The error matches
// ErrNoLeader when there is none.
func Who(ctx context.Context, dataDir string) (wire.Leader, error) {
	var l wire.Leader
	err := call(ctx, dataDir, http.MethodGet, wire.LeaderPath, readJSON(&l))
	return l, err
}

// Status asks the leader of the data directory for its tasks. It starts none:
// the error matches ErrNoLeader when there is none.
func Status(ctx context.Context, dataDir string) (*wire.Status, error) {
	var s wire.Status
	if err := call(ctx, dataDir, http.MethodGet, wire.StatusPath, readJSON(&s)); err != nil {
		return nil, err
	}
	return &s, nil
}

// Handover asks the leader of the data directory to end in favour of another.
// It answers before it has ended.
func Handover(ctx context.Context, dataDir string) error {
	return call(ctx, dataDir, http.MethodPost, wire.HandoverPath, func(io.Reader) error { return nil })
}

// Snapshot writes a backup of the data directory to w, made by its leader.
func Snapshot(ctx context.Context, dataDir string, w io.Writer) error {
	return call(ctx, dataDir, http.MethodGet, wire.SnapshotPath, func(r io.Reader) error {
		_, err := io.Copy(w, r)
		return err
	})
}

const stoppedHint = "it may be stopped: continue it (kill -CONT), or end it"

// readJSON bounds what it reads: 500 tasks take some hundred kilobytes.
func readJSON(v any) func(io.Reader) error {
	return func(r io.Reader) error { return json.NewDecoder(io.LimitReader(r, 64<<20)).Decode(v) }
}

func call(ctx context.Context, dataDir, method, path string, read func(io.Reader) error) error {
	tr := transport(func(ctx context.Context) (net.Conn, error) { return Dial(ctx, dataDir) })
	tr.DisableKeepAlives = true
	// A leader that is stopped accepts connections all the same.
	tr.ResponseHeaderTimeout = answerTime
	req, err := http.NewRequestWithContext(ctx, method, "http://leader"+path, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // its URL is made up
		}
		if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() && ctx.Err() == nil {
			return fault.Hint(fmt.Errorf("ask the leader: %w", errNoAnswer), stoppedHint)
		}
		return fmt.Errorf("ask the leader: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		return fmt.Errorf("ask the leader: %s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	if err := read(resp.Body); err != nil {
		return fmt.Errorf("read the leader's answer: %w", err)
	}
	return nil
}
