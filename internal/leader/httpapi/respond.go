package httpapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// maxBody bounds a request's body. A variable of the permitted size is less than
// half of it, however its items are escaped.
const maxBody = 1 << 20

// codedError is an error with the status it is answered with.
type codedError struct {
	code int
	text string
}

// Error returns the text of the answer.
func (e *codedError) Error() string { return e.text }

func coded(code int, text string) error { return &codedError{code, text} }

func badRequest(format string, args ...any) error {
	return coded(http.StatusBadRequest, fmt.Sprintf(format, args...))
}

var (
	errDenied = coded(http.StatusForbidden, "Permission denied")
	errMethod = coded(http.StatusMethodNotAllowed, "Invalid method")
)

// errGone is for a request that was cancelled: as a rule by a client that has
// gone, and sees no answer.
var errGone = coded(http.StatusServiceUnavailable, "Request cancelled")

// Answers that are not a value to encode.
type (
	// rawJSON is JSON already.
	rawJSON []byte
	// withStatus is a value to answer with another status than 200. Nomad sends
	// such answers without saying that they are JSON.
	withStatus struct {
		code  int
		value any
	}
)

// fail answers with an error.
func (c *call) fail(err error) {
	code, text := http.StatusInternalServerError, err.Error()
	var e *codedError
	switch {
	case errors.As(err, &e):
		code = e.code
	default:
		c.api.log.Error("request failed", "method", c.r.Method, "path", c.r.URL.Path, "error", err)
		if c.door == taskDoor {
			text = "internal error; the leader's log has the cause" // paths and such are not for tasks
		}
	}
	c.w.Header()["Content-Type"] = headerText
	c.write(code, []byte(text))
}

// succeed answers with a value, or with nothing.
func (c *call) succeed(value any) {
	code, contentType := http.StatusOK, headerJSON
	if v, ok := value.(withStatus); ok {
		code, value, contentType = v.code, v.value, headerText
	}
	if value == nil {
		c.status = code
		if code != http.StatusOK {
			c.w.WriteHeader(code)
		}
		return
	}
	body, err := c.encode(value)
	if err != nil {
		c.fail(fmt.Errorf("encode the answer: %w", err))
		return
	}
	c.w.Header()["Content-Type"] = contentType
	c.write(code, body)
}

// encode writes the value as JSON, and prettily when asked to.
func (c *call) encode(value any) ([]byte, error) {
	body, ok := value.(rawJSON)
	if !ok {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(value); err != nil {
			return nil, err
		}
		body = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	}
	if v, ok := c.args()["pretty"]; ok && v[0] != "0" {
		var b bytes.Buffer
		if err := json.Indent(&b, body, "", "    "); err != nil {
			return nil, err
		}
		b.WriteByte('\n')
		body = b.Bytes()
	}
	return body, nil
}

// gzipFrom is how large an answer is worth compressing: what does not fit one packet.
const gzipFrom = 1400

// write sends the answer.
func (c *call) write(code int, body []byte) {
	c.status = code
	h := c.w.Header()
	if c.door == operatorDoor || c.door == openDoor {
		h.Add("Vary", "Accept-Encoding")
		if len(body) >= gzipFrom && acceptsGzip(c.r.Header.Get("Accept-Encoding")) {
			var b bytes.Buffer
			z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // the level is valid
			z.Write(body)
			if z.Close() == nil {
				h.Set("Content-Encoding", "gzip")
				body = b.Bytes()
			}
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.w.WriteHeader(code)
	if c.r.Method != http.MethodHead {
		c.w.Write(body) // that the client has gone is no one's concern
	}
}

// acceptsGzip reports whether a client that sent that Accept-Encoding takes gzip.
func acceptsGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		name, weight, _ := strings.Cut(part, ";")
		name = strings.TrimSpace(name)
		if !strings.EqualFold(name, "gzip") && name != "*" {
			continue
		}
		q, ok := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
		if !ok {
			return true
		}
		f, err := strconv.ParseFloat(q, 64)
		return err == nil && f > 0
	}
	return false
}

// decode reads the request's body.
func (c *call) decode(v any) error {
	if c.r.ContentLength == 0 {
		return badRequest("Request body is empty")
	}
	err := json.NewDecoder(c.r.Body).Decode(v)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return coded(http.StatusRequestEntityTooLarge, fmt.Sprintf("Request body is larger than %d bytes", tooLarge.Limit))
	case err != nil:
		return badRequest("%v", err)
	}
	return nil
}

// problemList is an error for each of several, written as go-multierror does.
type problemList []string

// Error lists them.
func (p problemList) Error() string {
	noun := "errors"
	if len(p) == 1 {
		noun = "error"
	}
	return fmt.Sprintf("%d %s occurred:\n\t* %s\n\n", len(p), noun, strings.Join(p, "\n\t* "))
}

// problems returns nil when there are none.
func problems(list []string) error {
	if len(list) == 0 {
		return nil
	}
	return problemList(list)
}
