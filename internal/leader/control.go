package leader

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/platform"
	"github.com/taskagent/taskagent/uds"
)

// trusted is the handler of leader.sock: what is taskagent's own, and Nomad's
// API. The kernel vouches for the callers: the owner of the directory, whom this
// process runs as, and root.
func (l *Leader) trusted() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(wire.LeasePath, l.serveLease)
	mux.HandleFunc("GET "+wire.LeaderPath, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, l.me) })
	mux.HandleFunc("GET "+wire.StatusPath, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, l.status()) })
	mux.HandleFunc("POST "+wire.HandoverPath, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		l.leave(errHandover)
	})
	mux.HandleFunc("GET "+wire.SnapshotPath, l.serveSnapshot)
	nomad := l.api.TrustedHandler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cred, err := uds.PeerFromContext(r.Context())
		if err != nil || !mayOperate(cred) {
			// The directory's mode keeps others out already; this is for the case that
			// somebody opened it.
			l.log.Warn("refused a caller who is neither the owner nor root", "uid", cred.UID, "pid", cred.PID, "error", err)
			http.Error(w, "only the owner of the data directory and root may use this socket", http.StatusForbidden)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/taskagent/") {
			mux.ServeHTTP(w, r)
			return
		}
		nomad.ServeHTTP(w, r) // as it came: what a path means is for Nomad's API to say
	})
}

func mayOperate(c platform.Cred) bool { return c.SameUser() || c.UID == 0 }

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // an error means that nobody reads it any more
}
