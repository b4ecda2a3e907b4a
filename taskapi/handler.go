package taskapi

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Config says what a Handler stands in front of.
type Config struct {
	// Dial reaches the upstream, over plain HTTP/1.1. Required unless Transport
	// is set. It is called again, for RetryFor, while it fails.
	Dial func(ctx context.Context) (net.Conn, error)
	// Transport replaces Dial, for an upstream with TLS for example.
	Transport http.RoundTripper
	// Scheme and Host are the upstream's, for Transport. Zero: http, localhost.
	Scheme, Host string
	// Verifier, when set, decides about tokens here. Nil: the upstream does.
	Verifier Verifier
	// Inject, when set, may supply the token of a request that carries no
	// credentials at all. It must itself make sure of who is asking.
	Inject func(r *http.Request) (token string, ok bool)
	// AnswerWithin bounds the wait for an answer's head, on top of what a
	// blocking query asked for. Zero: 30 seconds. Negative: no bound.
	AnswerWithin time.Duration
	// Streams, when set, reports the requests whose answer may begin at any time,
	// so that AnswerWithin is not for them.
	Streams func(r *http.Request) bool
	// RetryFor bounds how long a request that could not be sent, or a read that
	// broke before its answer began, is tried again. Zero: 15 seconds. Negative: not at all.
	RetryFor time.Duration
	// Logger gets warnings. Nil: none.
	Logger hclog.Logger
}

// Handler is the Task API of one task. It is safe for concurrent use.
type Handler struct {
	cfg   Config
	proxy *httputil.ReverseProxy
}

// New returns a handler; it opens nothing until the first request.
func New(cfg Config) *Handler {
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	if cfg.Scheme == "" {
		cfg.Scheme = "http"
	}
	if cfg.Host == "" {
		cfg.Host = "localhost"
	}
	cfg.AnswerWithin = orDefault(cfg.AnswerWithin, 30*time.Second)
	cfg.RetryFor = orDefault(cfg.RetryFor, 15*time.Second)
	rt := cfg.Transport
	if rt == nil {
		rt = dialTransport(patientDial(cfg.Dial, cfg.RetryFor))
	}
	h := &Handler{cfg: cfg}
	h.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme = cfg.Scheme
			p.Out.URL.Host = cfg.Host
			// The query goes through as it came: what it means is the upstream's affair.
			p.Out.URL.RawQuery = p.In.URL.RawQuery
			p.Out.Host = ""
			// The values come after the body, into the map that the server made.
			p.Out.Trailer = p.In.Trailer
		},
		Transport:     &patientTransport{next: rt, answerWithin: cfg.AnswerWithin, streams: cfg.Streams, retryFor: cfg.RetryFor},
		FlushInterval: -1, // event streams and logs are worth nothing late
		BufferPool:    copyBuffers{},
		ErrorHandler:  h.upstreamFailed,
		// ReverseProxy logs a client that hung up; that is no news.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	return h
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// dialTransport speaks HTTP/1.1 over whatever dial returns. Compression is left
// to the two ends: the proxy must not change bodies.
func dialTransport(dial func(ctx context.Context) (net.Conn, error)) http.RoundTripper {
	return &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableCompression:  true,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     30 * time.Second,
	}
}

// ServeHTTP answers one request of the task.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.admit(w, r) {
		return
	}
	if r.ContentLength != 0 {
		// Otherwise the server takes what is left of the body away, if only its end,
		// when the answer begins; the transport, still reading, fails then, closes the
		// connection to the upstream, and the answer is cut short.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	// An answer without a type stays one: net/http would guess.
	w.Header()["Content-Type"] = nil
	h.proxy.ServeHTTP(w, r)
}

func (h *Handler) upstreamFailed(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the client has gone; nobody reads an answer
	}
	status, text := h.explain(r.Method, err)
	refuse(w, status, text)
}

// explain says what to answer when the upstream did not.
func (h *Handler) explain(method string, err error) (status int, text string) {
	var late *lateError
	if errors.As(err, &late) {
		return http.StatusGatewayTimeout, "taskagent: " + late.Error()
	}
	h.cfg.Logger.Warn("task API request failed", "method", method, "error", err)
	return http.StatusBadGateway, "taskagent: the Task API's upstream cannot be reached: " + err.Error()
}

// relayable says that the relay can do the handler's work: it sends plain
// HTTP/1.1 where Dial leads, knows no streams, and lets the upstream decide about
// tokens.
func (h *Handler) relayable() bool {
	return h.cfg.Dial != nil && h.cfg.Transport == nil && h.cfg.Streams == nil && h.cfg.Verifier == nil && h.cfg.Scheme == "http"
}
