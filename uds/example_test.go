package uds_test

import (
	"fmt"
	"log"
	"net/http"

	"github.com/taskagent/taskagent/uds"
)

// A server that answers only the user it runs as.
func Example() {
	l, err := uds.Listen("/run/example/api.sock", uds.Options{UID: -1, GID: -1})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	server := &http.Server{
		ConnContext: uds.ConnContext,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			peer, err := uds.PeerFromContext(r.Context())
			if err != nil || !peer.SameUser() {
				http.Error(w, "not for you", http.StatusForbidden)
				return
			}
			fmt.Fprintln(w, "hello, process", peer.PID)
		}),
	}
	log.Fatal(server.Serve(l))
}
