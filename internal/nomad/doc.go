// Package nomad takes a task's identities from a real Nomad cluster: it asks the
// servers for them over RPC, in the name of the node that the task runs on.
//
// It makes two calls and no others, Alloc.GetAllocs and Alloc.SignIdentities.
// The first has the default identity, and tells when an allocation ends; the
// second signs the others. Node.GetClientAllocs is never called: a server would
// take the connection for the Nomad client's own.
//
// The node's secret is read from its file for every request, sent, and
// overwritten. It can have identities of other allocations signed: it belongs to
// root, and a task must not be able to read it. The package refuses a file that
// others may read; the caller must make sure that the task does not run as the
// owner of the file.
//
// It checks that the identities it gets are for the workload it asked for, and
// verifies no signature: the servers are trusted, by their certificate where TLS
// is used and by their address where not.
//
// What goes to Nomad's HTTP API is in package upstream, who may send it in
// package gate.
package nomad
