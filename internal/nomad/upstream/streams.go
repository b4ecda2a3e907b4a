package upstream

import (
	"net/http"
	"strconv"
	"strings"
)

// Streams reports whether the answer to a request may begin at any time, so that
// waiting for its beginning must not be bounded. Nomad sends no head before there
// is something to say: where a client follows logs as plain text or monitors an
// agent, that may be in an hour.
func Streams(r *http.Request) bool {
	switch path := r.URL.Path; path {
	case "/v1/event/stream", "/v1/agent/monitor", "/v1/agent/monitor/export":
		return true
	case "/v1/operator/snapshot", "/v1/agent/pprof/profile", "/v1/agent/pprof/trace":
		return true // complete before it is sent
	default:
		return strings.HasPrefix(path, "/v1/client/fs/stream/") ||
			strings.HasPrefix(path, "/v1/client/fs/logs/") && follows(r)
	}
}

func follows(r *http.Request) bool {
	follow, _ := strconv.ParseBool(r.URL.Query().Get("follow"))
	return follow
}
