// Command bare is what a Go program costs that does next to nothing but links
// what an agent links: the scale that others are measured on.
//
//	bare run COMMAND [ARG...]        start the command, wait for it
//	bare serve SOCKET BODY           answer every request with the body
//	bare proxy SOCKET UPSTREAM       httputil.ReverseProxy in front of a socket
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"

	"github.com/go-jose/go-jose/v4"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func main() {
	log := hclog.New(&hclog.LoggerOptions{Name: "bare"})
	if err := run(os.Args[1:]); err != nil {
		log.Error("failed", "error", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) > 1 && args[0] == "run":
		return exec.Command(args[1], args[2:]...).Run()
	case len(args) == 3 && args[0] == "serve":
		body := []byte(args[2])
		return serve(args[1], http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{"application/json"}
			_, _ = w.Write(body)
		}))
	case len(args) == 3 && args[0] == "proxy":
		return serve(args[1], proxy(args[2]))
	case len(args) == 3 && args[0] == "link": // never called: it keeps the linker from leaving them out
		if _, err := jose.ParseSigned(args[1], []jose.SignatureAlgorithm{jose.RS256}); err != nil {
			return err
		}
		_, diags := hclsyntax.ParseConfig([]byte(args[2]), "x", hcl.InitialPos)
		return diags
	}
	return fmt.Errorf("what is %q?", args)
}

func proxy(upstream string) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", "localhost"
		},
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", upstream)
			},
			MaxIdleConnsPerHost: 64,
		},
	}
}

func serve(socket string, h http.Handler) error {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	return http.Serve(l, h)
}
