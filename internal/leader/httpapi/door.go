package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// doorKind is where a request comes in.
type doorKind uint8

const (
	taskDoor     doorKind = iota // nothing but the token counts
	operatorDoor                 // a token where Nomad needs one
	openDoor                     // the operators' door with ACLs off
	trustedDoor                  // vouched for by others
)

// door is the handler of one of them.
type door struct {
	api   *API
	kind  doorKind
	cross *http.CrossOriginProtection // of the operators' doors
}

// ServeHTTP answers one request.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{api: d.api, door: d.kind, w: w, r: r}
	if log := d.api.log; log.IsTrace() {
		start := time.Now()
		defer func() {
			log.Trace("request complete", "method", r.Method, "path", r.URL.Path, "status", c.status, "duration", time.Since(start))
		}()
	}
	if err := d.admit(c); err != nil {
		c.fail(err)
		return
	}
	h, _ := d.api.mux.Handler(r)
	rt, ok := h.(*route)
	if !ok {
		h.ServeHTTP(w, r) // a redirect to the same path in its canonical form
		return
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	}
	body, err := rt.handle(c)
	if err != nil {
		c.fail(err)
		return
	}
	c.succeed(body)
}

// admit refuses what must not come in by this door, whatever it asks for.
func (d *door) admit(c *call) error {
	switch d.kind {
	case taskDoor:
		token := tokenOf(c.r.Header)
		if token == "" {
			return coded(http.StatusUnauthorized, "Unauthorized")
		}
		var err error
		if c.caller, err = d.api.authenticate(token); err != nil {
			return coded(http.StatusForbidden, "Forbidden")
		}
		// Nomad reads the parameters here, on every path, and says so twice.
		if err := c.parse(); err != nil {
			return coded(http.StatusBadRequest, err.Error()+"Bad Request")
		}
	case operatorDoor, openDoor:
		// What others verify tokens with is public, under whatever name they come.
		if !d.knownHost(c.r.Host) && !strings.HasPrefix(c.r.URL.Path, "/.well-known/") {
			return coded(http.StatusForbidden, "Forbidden: this server does not answer to the name in the Host header; use an IP address or localhost")
		}
		if d.cross.Check(c.r) != nil {
			return coded(http.StatusForbidden, "Forbidden: cross-origin request")
		}
	}
	return nil
}

// knownHost reports whether the Host header names this server. A name that
// anyone could point here is how a web page reaches a server on its visitor's
// own machine (DNS rebinding); an address cannot be pointed anywhere.
func (d *door) knownHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return slices.ContainsFunc(d.api.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// tokenOf returns the token a request carries, empty when there is none:
// X-Nomad-Token before Authorization, of which only the scheme Bearer counts.
func tokenOf(h http.Header) string {
	if v := h["X-Nomad-Token"]; len(v) > 0 && v[0] != "" {
		return strings.TrimSpace(v[0])
	}
	scheme, rest, ok := strings.Cut(h.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	token, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	return token
}
