package leader

import "net/http"

func (l *Leader) serveSnapshot(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "not yet", http.StatusNotImplemented)
}
