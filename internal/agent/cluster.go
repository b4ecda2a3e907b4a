package agent

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/nomad"
	"github.com/taskagent/taskagent/internal/nomad/gate"
	"github.com/taskagent/taskagent/internal/nomad/tlsfiles"
	"github.com/taskagent/taskagent/internal/nomad/upstream"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/renew"
	"github.com/taskagent/taskagent/taskapi"
)

// Cluster says how a real Nomad is reached.
type Cluster struct {
	// Upstream is the URL of Nomad's HTTP API, http(s)://host:port or unix:///path.
	Upstream string
	// RPC lists the servers' RPC addresses; NodeSecretFile has the node's secret.
	RPC, NodeSecretFile string
	// CACert, ClientCert and ClientKey are files, for both of them.
	CACert, ClientCert, ClientKey string
}

// tls returns the files for TLS, nil when there are none.
func (c Cluster) tls() *tlsfiles.Files {
	if c.CACert == "" && c.ClientCert == "" && c.ClientKey == "" {
		return nil
	}
	return &tlsfiles.Files{CA: c.CACert, Cert: c.ClientCert, Key: c.ClientKey}
}

// resolveCluster checks what -source nomad needs to be told.
func (c *Config) resolveCluster(o Options, env map[string]string) error {
	c.Cluster = o.Cluster
	if c.Source == SourceLeader {
		if o.Cluster != (Cluster{}) {
			return fault.Usage(errors.New("-upstream, -nomad-rpc and the certificates are for a real Nomad, and identities come from the embedded leader here"),
				"-source nomad takes them from a cluster")
		}
		return nil
	}
	if c.Cluster.Upstream == "" && c.Source == SourceNomad {
		c.Cluster.Upstream = first(env["NOMAD_ADDR"], "http://127.0.0.1:4646")
	}
	if c.Source != SourceNomad {
		if o.Cluster.RPC != "" || o.Cluster.NodeSecretFile != "" {
			return fault.Usage(errors.New("-nomad-rpc and -node-secret-file are for -source nomad"), "")
		}
		return nil
	}
	switch {
	case o.Cluster.RPC == "":
		return fault.Usage(errors.New("-source nomad needs the servers' RPC addresses"), "-nomad-rpc HOST:4647[,HOST:4647]")
	case o.Cluster.NodeSecretFile == "":
		return fault.Usage(errors.New("-source nomad needs the node's secret"), "-node-secret-file DATA_DIR/client/secret-id, of the Nomad client on this machine")
	case first(o.AllocID, env["NOMAD_ALLOC_ID"]) == "":
		return fault.Usage(errors.New("-source nomad needs to know the allocation"), "-alloc-id ID")
	case first(o.Task, env["NOMAD_TASK_NAME"]) == "" && o.JobFile == "":
		return fault.Usage(errors.New("-source nomad needs to know the task"), "-task NAME")
	case c.Kind == Once:
		return fault.Usage(errors.New("serve -once is for the embedded leader"), "identities of a cluster are renewed by who holds the node's secret: use serve")
	case len(o.Services) > 0:
		return fault.Usage(errors.New("-service registers with the embedded leader; a cluster has the services of its jobs"), "")
	}
	if _, err := nomad.ParseServers(o.Cluster.RPC); err != nil {
		return fault.Usage(fmt.Errorf("-nomad-rpc: %w", err), "")
	}
	return nil
}

// clusterDoor is the way to Nomad's HTTP API at url, with the gate in front: what
// is no good is refused here, also where the cluster has ACLs off.
func clusterDoor(c *Config, url string) (taskapi.Config, error) {
	var files tlsfiles.Files
	if f := c.Cluster.tls(); f != nil {
		files = *f
	}
	u, err := upstream.New(upstream.Config{URL: url, TLS: files})
	if err != nil {
		return taskapi.Config{}, err
	}
	door := taskapi.Config{
		Transport: u.Transport, Scheme: u.Scheme, Host: u.Host, Streams: upstream.Streams,
		Verifier: gate.New(gate.Config{Transport: u.Transport, Scheme: u.Scheme, Host: u.Host}),
	}
	if strings.HasPrefix(url, "unix:") { // a client on this machine that restarts is waited for
		door.Transport, door.Dial = nil, u.Dial
	}
	return door, nil
}

// clusterOrigin is a Nomad cluster, asked over RPC in the name of this node.
type clusterOrigin struct {
	*nomad.Source
	c      *Config
	door   taskapi.Config
	lost   chan struct{}
	cancel context.CancelFunc
	why    error // set before lost is closed
}

func newClusterOrigin(c *Config) (*clusterOrigin, error) {
	servers, err := nomad.ParseServers(c.Cluster.RPC)
	if err != nil {
		return nil, err
	}
	var specs []identity.Spec
	for _, id := range c.Task.Identities {
		specs = append(specs, id.Spec)
	}
	o := &clusterOrigin{c: c, lost: make(chan struct{}), cancel: func() {}}
	o.Source, err = nomad.New(nomad.Config{
		Servers: servers, Region: c.Task.Region, TLS: c.Cluster.tls(), SecretFile: c.Cluster.NodeSecretFile,
		AllocID: c.Task.AllocID, Task: c.Task.Task, Identities: specs, Logger: c.Logger,
	})
	if err != nil {
		return nil, err
	}
	o.door, err = clusterDoor(c, c.Cluster.Upstream)
	return o, err
}

// Start asks for the allocation, whose names are the cluster's to say, and for
// every identity, and begins to watch for the end of the allocation. It asks
// again until ctx ends: right after an election servers answer even a good
// secret with "Permission denied".
func (o *clusterOrigin) Start(ctx context.Context) (*started, error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		st, err := o.startOnce(ctx)
		if err == nil || renew.IsPermanent(err) {
			return st, err
		}
		o.c.Logger.Warn("no identity yet", "retry_in", wait, "error", err)
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(wait):
		}
	}
}

func (o *clusterOrigin) startOnce(ctx context.Context) (*started, error) {
	a, err := o.Describe(ctx)
	if err != nil {
		return nil, err
	}
	t := &o.c.Task
	t.Namespace, t.Job, t.Group, o.c.JobName = a.Namespace, a.Job, a.Group, a.Job
	var names []string
	for _, id := range t.Identities {
		names = append(names, id.Name)
	}
	tokens, err := o.Fetch(ctx, names)
	if err != nil {
		return nil, err
	}
	watch, cancel := context.WithCancel(context.WithoutCancel(ctx))
	o.cancel = cancel
	go func() {
		if err := o.Watch(watch); watch.Err() == nil {
			o.why = err
			close(o.lost)
		}
	}()
	return &started{a.ID, allocIndex(a.Name), tokens}, nil
}

// allocIndex reads the index off an allocation's name, job.group[3].
func allocIndex(name string) int {
	_, rest, _ := strings.Cut(name[strings.LastIndexByte(name, '.')+1:], "[")
	n, _ := strconv.Atoi(strings.TrimSuffix(rest, "]"))
	return n
}

func (o *clusterOrigin) Lost() <-chan struct{} { return o.lost }

func (o *clusterOrigin) Why() error { return o.why }

// Report has nobody to tell.
func (o *clusterOrigin) Report(context.Context, wire.Report) {}

func (o *clusterOrigin) End(context.Context) { o.cancel() }

func (o *clusterOrigin) Door() taskapi.Config { return o.door }
