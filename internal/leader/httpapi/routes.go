package httpapi

import (
	"net/http"
	"strings"
)

// route is one path of the API, or all paths below one that ends with a slash.
type route struct {
	path string
	// handle returns the value to answer with, nil for an empty answer.
	handle func(*call) (any, error)
}

// ServeHTTP is not called: a door asks the mux for the route and handles the call.
func (*route) ServeHTTP(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }

// Routes returns the paths the API answers; those that end with a slash stand for
// all below. Anything else is 404.
func Routes() []string {
	list := routes()
	paths := make([]string, len(list))
	for i, r := range list {
		paths[i] = r.path
	}
	return paths
}

func routes() []route {
	return []route{
		{"/v1/vars", (*call).listVariables},
		{"/v1/var/", (*call).variable},
		{"/v1/services", (*call).listServices},
		{"/v1/service/", (*call).service},
		{"/v1/namespaces", (*call).listNamespaces},
		{"/v1/namespace", (*call).createNamespace},
		{"/v1/namespace/", (*call).namespaceNamed},
		{"/v1/acl/policies", (*call).listPolicies},
		{"/v1/acl/policy/", (*call).policy},
		{"/v1/acl/policy/self", (*call).ownPolicies},
		{"/v1/acl/tokens", (*call).listTokens},
		{"/v1/acl/token", (*call).createToken},
		{"/v1/acl/token/", (*call).token},
		{"/v1/acl/token/self", (*call).ownToken},
		{"/v1/acl/token/onetime", (*call).makeElsewhere},
		{"/v1/acl/token/onetime/exchange", (*call).makeElsewhere},
		{"/v1/acl/bootstrap", (*call).bootstrap},
		{"/v1/acl/roles", (*call).listRoles},
		{"/v1/acl/role", (*call).createRole},
		{"/v1/acl/role/", (*call).role},
		{"/v1/acl/auth-methods", (*call).listAuthMethods},
		{"/v1/acl/auth-method", (*call).makeElsewhere},
		{"/v1/acl/auth-method/", (*call).authMethod},
		{"/v1/acl/binding-rules", (*call).listBindingRules},
		{"/v1/acl/binding-rule", (*call).makeElsewhere},
		{"/v1/acl/binding-rule/", (*call).bindingRule},
		{"/v1/acl/login", (*call).makeElsewhere},
		{"/v1/acl/oidc/auth-url", (*call).makeElsewhere},
		{"/v1/acl/oidc/complete-auth", (*call).makeElsewhere},
		{"/v1/operator/keyring/", (*call).keyring},
		{"/v1/agent/health", (*call).health},
		{"/v1/agent/self", (*call).agentSelf},
		{"/v1/agent/members", (*call).members},
		{"/v1/agent/servers", (*call).servers},
		{"/v1/status/leader", (*call).leader},
		{"/v1/status/peers", (*call).peers},
		{"/v1/regions", (*call).regions},
		{"/.well-known/jwks.json", (*call).jwks},
		{"/.well-known/openid-configuration", (*call).discovery},
	}
}

// notHere are paths of Nomad for what nothing here does, most of it to run jobs
// on nodes. They are not unknown, and whoever asks is told.
var notHere = []string{
	"/v1/agent/join", "/v1/agent/force-leave", "/v1/agent/keyring/", "/v1/agent/monitor", "/v1/agent/host", "/v1/agent/pprof/", "/v1/agent/schedulers",
	"/v1/jobs/parse", "/v1/validate/job", "/v1/metrics",
	"/v1/jobs", "/v1/job/", "/v1/nodes", "/v1/node/", "/v1/allocations", "/v1/allocation/", "/v1/client/",
	"/v1/evaluations", "/v1/evaluation/", "/v1/deployments", "/v1/deployment/", "/v1/plugins", "/v1/plugin/",
	"/v1/volumes", "/v1/volume/", "/v1/scaling/", "/v1/system/", "/v1/event/stream", "/v1/search",
	"/v1/operator/raft/", "/v1/operator/autopilot/", "/v1/operator/scheduler/", "/v1/operator/snapshot",
}

// enterprise are paths that only another edition of Nomad answers.
var enterprise = []string{
	"/v1/quotas", "/v1/quota/", "/v1/recommendations", "/v1/recommendation/", "/v1/sentinel/policies", "/v1/sentinel/policy/",
}

// newMux makes the mux that finds the route of a request. It is net/http's, as in
// Nomad, so that paths are cleaned and redirected alike.
func newMux() *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range routes() {
		mux.Handle(r.path, &r)
	}
	for _, path := range notHere {
		mux.Handle(path, &route{path, (*call).elsewhere})
	}
	// Nomad sends browsers to its web interface.
	mux.Handle("/{$}", http.RedirectHandler("/ui/", http.StatusTemporaryRedirect))
	mux.Handle("/ui/", &route{"/ui/", (*call).noInterface})
	for _, path := range enterprise {
		mux.Handle(path, &route{path, (*call).otherEdition})
	}
	mux.Handle("/", &route{"/", (*call).unknown})
	return mux
}

// unknown answers what no route is for.
func (c *call) unknown() (any, error) { return withStatus{http.StatusNotFound, nil}, nil }

// noInterface answers a browser.
func (c *call) noInterface() (any, error) {
	return nil, coded(http.StatusNotFound, "taskagent has no web interface")
}

// elsewhere answers what only a Nomad can do.
func (c *call) elsewhere() (any, error) {
	if _, err := c.manager(); err != nil {
		return nil, err
	}
	return nil, coded(http.StatusNotImplemented, "taskagent has no jobs, nodes or allocations: ask a Nomad for "+c.r.URL.Path)
}

// otherEdition answers what Nomad's community edition has not either, with its words.
func (c *call) otherEdition() (any, error) {
	return nil, coded(http.StatusNotImplemented, "Nomad Enterprise only endpoint")
}

// only refuses all methods but the given ones.
func (c *call) only(methods ...string) error {
	for _, m := range methods {
		if c.r.Method == m {
			return nil
		}
	}
	return errMethod
}

// get refuses all methods but GET.
func (c *call) get() error { return c.only(http.MethodGet) }

// put refuses all methods but PUT and POST.
func (c *call) put() error { return c.only(http.MethodPut, http.MethodPost) }

// named answers a path that ends in the name of one thing, by method. missing is
// Nomad's word for a path without the name.
func (c *call) named(prefix, missing string, read, put, remove func(name string) (any, error)) (any, error) {
	name := strings.TrimPrefix(c.r.URL.Path, prefix)
	if name == "" {
		return nil, badRequest("%s", missing)
	}
	switch c.r.Method {
	case http.MethodGet:
		return read(name)
	case http.MethodPut, http.MethodPost:
		return put(name)
	case http.MethodDelete:
		return remove(name)
	}
	return nil, errMethod
}
