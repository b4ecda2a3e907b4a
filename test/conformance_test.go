package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

// TestConformance replays what a real Nomad was seen to answer.
func TestConformance(t *testing.T) {
	files, err := filepath.Glob("testdata/conformance/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".jsonl"), func(t *testing.T) {
			t.Parallel()
			newRecordedWorld(t).replay(file)
		})
	}
}

// recordedWorld is the world the recordings were made in.
type recordedWorld struct {
	t      *testing.T
	o      *operator
	socket string
	tokens map[string]func() string
}

func newRecordedWorld(t *testing.T) *recordedWorld {
	w := newWorld(t)
	r := &recordedWorld{t: t, o: w.lead("-oidc-issuer", "http://127.0.0.1:4646"), tokens: map[string]func() string{}}
	_, err := nomadClient(t, r.o.url, r.o.token).Namespaces().Register(&api.Namespace{Name: "shared", Description: "s"}, nil)
	ok(t, "create the namespace", err)
	constant := func(s string) func() string { return func() string { return s } }
	var redis *task
	var all []*task
	for name, flags := range map[string]string{
		"redis":   "-job example -group cache -task redis -service name=cache,port=21246,tags=primary",
		"sidecar": "-job example -group cache -task sidecar",
		"front":   "-job example -group web -task front",
		"other":   "-job other -group g -task t -service name=api,port=21247,tags=v1|blue",
		"nsjob":   "-namespace shared -job nsjob -group g -task t -service name=nsapi,port=21248,tags=v1|blue",
	} {
		tk := w.launch(name, strings.Fields(flags))
		r.tokens[name] = tk.token
		all = append(all, tk)
		if name == "redis" {
			redis = tk
		}
	}
	for _, tk := range all {
		tk.waitReady()
	}
	r.socket = redis.socket()
	r.tokens["mgmt"] = constant(r.o.token)
	r.tokens["none"] = constant("")
	r.tokens["unknownuuid"] = constant("11111111-1111-1111-1111-111111111111")
	r.tokens["garbage"] = constant("not-a-token")
	return r
}

// replay sends the exchanges of a file, in order.
func (r *recordedWorld) replay(file string) {
	data, err := os.ReadFile(file)
	ok(r.t, "read the recording", err)
	captured := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	n := 0
	for lines.Scan() {
		n++
		var e exchange
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			r.t.Fatalf("line %d: %v", n, err)
		}
		token, known := r.tokens[e.As]
		if !known { // made earlier in the file: ci is what was captured as CI
			token = func() string { return captured[strings.ToUpper(e.As)] }
		}
		network, address := "tcp", strings.TrimPrefix(r.o.url, "http://")
		if e.Via == "task" {
			network, address = "unix", r.socket
		}
		got, err := e.send(network, address, token(), captured)
		if err != nil {
			r.t.Fatalf("line %d: %s %s: %v", n, e.Method, e.Path, err)
		}
		for name, path := range e.Capture {
			if v, ok := pick(got.Body, path); ok {
				captured[name] = v
			}
		}
		if diffs := e.differences(got, captured); diffs != nil {
			r.t.Errorf("line %d: %s: %s %s\n\t%s", n, e.As, e.Method, e.Path, strings.Join(diffs, "\n\t"))
		}
	}
	ok(r.t, "read the recording", lines.Err())
	r.t.Logf("%d exchanges", n)
}
