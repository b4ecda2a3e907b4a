package httpapi

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strconv"
)

// public reads the parameters of an endpoint that anyone may ask.
func (c *call) public() error {
	if err := c.get(); err != nil {
		return err
	}
	return c.parse()
}

// leader answers /v1/status/leader.
func (c *call) leader() (any, error) {
	if err := c.public(); err != nil {
		return nil, err
	}
	if err := c.region(); err != nil {
		return nil, err
	}
	return c.api.Addr, nil
}

// peers answers /v1/status/peers.
func (c *call) peers() (any, error) {
	if err := c.public(); err != nil {
		return nil, err
	}
	if err := c.region(); err != nil {
		return nil, err
	}
	return []string{c.api.Addr}, nil
}

// regions answers /v1/regions.
func (c *call) regions() (any, error) {
	if err := c.public(); err != nil {
		return nil, err
	}
	list := c.api.Store.Regions()
	if !slices.Contains(list, c.api.Region) {
		list = append(list, c.api.Region)
		slices.Sort(list)
	}
	return list, nil
}

// agentHealth is whether a part of the agent is well.
type agentHealth struct {
	Ok      bool   `json:"ok"`
	Message string `json:"message,omitempty"`
}

// health answers /v1/agent/health. The leader is the server, and the tasks'
// agents are the client.
func (c *call) health() (any, error) {
	if err := c.public(); err != nil {
		return nil, err
	}
	var out struct {
		Client *agentHealth `json:"client,omitempty"`
		Server *agentHealth `json:"server,omitempty"`
	}
	types, asked := c.args()["type"]
	if !asked || slices.Contains(types, "client") {
		out.Client = &agentHealth{true, "ok"}
	}
	if !asked || slices.Contains(types, "server") {
		out.Server = &agentHealth{true, "ok"}
		if err := c.region(); err != nil {
			out.Server = &agentHealth{false, err.Error()}
			text, _ := json.Marshal(&out) // strings and booleans always encode
			return nil, coded(http.StatusInternalServerError, string(text))
		}
	}
	return &out, nil
}

// member is a server as clients see it. There is one.
type member struct {
	Name        string
	Addr        string
	Port        int
	Tags        map[string]string
	Status      string
	ProtocolMin int
	ProtocolMax int
	ProtocolCur int
	DelegateMin int
	DelegateMax int
	DelegateCur int
}

const memberName = "taskagent"

func (a *API) member() member {
	host, port, err := net.SplitHostPort(a.Addr)
	if err != nil {
		host = a.Addr
	}
	n, _ := strconv.Atoi(port)
	return member{
		Name: memberName + "." + a.Region, Addr: host, Port: n, Status: "alive",
		Tags: map[string]string{
			"role": "nomad", "region": a.Region, "dc": a.Datacenter, "build": a.Version,
			"id": a.Store.NodeID(), "port": port, "rpc_addr": host, "vsn": "1",
		},
		ProtocolMin: 1, ProtocolMax: 5, ProtocolCur: 2, DelegateMin: 2, DelegateMax: 5, DelegateCur: 4,
	}
}

// members answers /v1/agent/members.
func (c *call) members() (any, error) {
	if err := c.public(); err != nil {
		return nil, err
	}
	who, err := c.resolve() // of the agent asked, whatever the region
	if err != nil {
		return nil, err
	}
	if !who.acl.AllowNodeRead() {
		return nil, errDenied
	}
	return struct {
		ServerName   string
		ServerRegion string
		ServerDC     string
		Members      []member
	}{memberName, c.api.Region, c.api.Datacenter, []member{c.api.member()}}, nil
}

// servers answers /v1/agent/servers.
func (c *call) servers() (any, error) {
	if err := c.get(); err != nil {
		return nil, err
	}
	who, err := c.resolve()
	if err != nil {
		return nil, err
	}
	if !who.acl.AllowAgentRead() {
		return nil, errDenied
	}
	return []string{c.api.Addr}, nil
}

// agentSelf answers /v1/agent/self, with as much as clients look at.
func (c *call) agentSelf() (any, error) {
	if err := c.get(); err != nil {
		return nil, err
	}
	who, err := c.resolve()
	if err != nil {
		return nil, err
	}
	if !who.acl.AllowAgentRead() {
		return nil, errDenied
	}
	a := c.api
	var out struct {
		Config struct {
			Region     string
			Datacenter string
			NodeName   string
			ACL        struct{ Enabled bool }
			Server     struct{ Enabled bool }
			Client     struct{ Enabled bool }
			Version    struct{ Version string }
		} `json:"config"`
		Member member                       `json:"member"`
		Stats  map[string]map[string]string `json:"stats"`
	}
	out.Config.Region, out.Config.Datacenter, out.Config.NodeName = a.Region, a.Datacenter, memberName
	out.Config.ACL.Enabled, out.Config.Server.Enabled, out.Config.Client.Enabled = true, true, true
	out.Config.Version.Version = a.Version
	out.Member = a.member()
	out.Stats = map[string]map[string]string{
		"nomad": {"server": "true", "leader": "true", "leader_addr": a.Addr, "bootstrap": "true"},
	}
	return &out, nil
}
