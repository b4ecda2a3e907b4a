package httpapi

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/taskagent/taskagent/internal/leader/state"
)

// call is one request on its way through the API.
type call struct {
	api    *API
	door   doorKind
	w      http.ResponseWriter
	r      *http.Request
	caller *caller // who asks, once known
	status int     // what was answered

	parsed bool
	values url.Values // of the query string
	query
}

// query is what the parameters that many endpoints know say.
type query struct {
	namespace string
	prefix    string
	filter    string
	nextToken string
	perPage   int32
	reverse   bool
	minIndex  uint64        // answer once the index is greater
	wait      time.Duration // and then, but not later
}

// arg returns a parameter of the query string.
func (c *call) arg(name string) string { return c.args().Get(name) }

func (c *call) args() url.Values {
	if c.values == nil {
		if c.r.URL.RawQuery == "" {
			return nil
		}
		c.values = c.r.URL.Query()
	}
	return c.values
}

// targetNamespace returns the namespace named in the query string.
func (c *call) targetNamespace() string {
	if ns := c.arg("namespace"); ns != "" {
		return ns
	}
	return state.DefaultNamespace
}

// parse reads the parameters of a read. Its errors are plain: whoever calls
// decides what to answer.
func (c *call) parse() error {
	if c.parsed {
		return nil
	}
	c.parsed = true
	c.namespace = state.DefaultNamespace
	if c.r.URL.RawQuery == "" {
		return nil
	}
	c.namespace = c.targetNamespace()
	args := c.args()
	if v, ok := args["stale"]; ok && v[0] != "" {
		if _, err := strconv.ParseBool(v[0]); err != nil {
			return coded(http.StatusBadRequest, "Expect `true` or `false` for `stale` query string parameter")
		}
	}
	c.prefix = args.Get("prefix")
	if v := args.Get("per_page"); v != "" {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil {
			return coded(http.StatusBadRequest, "Expect a number for `per_page` query string parameter")
		}
		c.perPage = int32(n)
	}
	c.nextToken = args.Get("next_token")
	c.filter = args.Get("filter")
	c.reverse = args.Get("reverse") == "true"
	if v := args.Get("wait"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			return coded(http.StatusBadRequest, "Invalid wait time")
		}
		c.wait = d
	}
	if v := args.Get("index"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return coded(http.StatusBadRequest, "Invalid index")
		}
		c.minIndex = n
	}
	return nil
}

// region refuses a region that is not here: Nomad would pass the request on.
func (c *call) region() error {
	r := c.arg("region")
	if r == "" || r == c.api.Region || c.api.Store.HasRegion(r) {
		return nil
	}
	return coded(http.StatusInternalServerError, "No path to region")
}

// reader reads the parameters of a read and returns who asks.
func (c *call) reader() (*caller, error) {
	if err := c.parse(); err != nil {
		return nil, err
	}
	return c.writer()
}

// writer returns who asks for a write.
func (c *call) writer() (*caller, error) {
	if err := c.region(); err != nil {
		return nil, err
	}
	return c.resolve()
}

// manager returns who asks when that is one who may do everything.
func (c *call) manager() (*caller, error) {
	who, err := c.writer()
	if err == nil && !who.acl.IsManagement() {
		err = errDenied
	}
	return who, err
}

// headers that are the same in every answer; net/http only reads them.
var (
	headerTrue = []string{"true"}
	headerZero = []string{"0"}
	headerJSON = []string{"application/json"}
	headerText = []string{"text/plain; charset=utf-8"}
)

// setIndex sets the index header.
func (c *call) setIndex(i uint64) {
	c.w.Header()["X-Nomad-Index"] = []string{strconv.FormatUint(i, 10)}
}

// setMeta sets the headers of a read.
func (c *call) setMeta(i uint64) {
	c.setIndex(i)
	h := c.w.Header()
	h["X-Nomad-Knownleader"] = headerTrue
	h["X-Nomad-Lastcontact"] = headerZero
}

// setNextToken says where the next page begins; empty says that there is none.
func (c *call) setNextToken(token string) {
	if token == "" {
		c.w.Header().Del("X-Nomad-NextToken") // of an earlier read of a blocked request
		return
	}
	c.w.Header()["X-Nomad-Nexttoken"] = []string{token}
}
