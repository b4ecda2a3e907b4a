// Package acl reads policies in Nomad's policy language and decides with them:
// may this token read that variable, list those jobs, register this service.
//
// Parse turns the text of one policy into a Policy, Compile the policies of one
// token (and, for a workload identity, who the workload is) into an ACL, and
// the ACL answers. It is pure: no I/O, no clock, no logging; an ACL never
// changes and may be used from many goroutines.
//
// It refuses what it does not know. A block, an attribute, a capability or a
// policy word that Nomad does not have is an error naming the line and column,
// also inside a block, where Nomad lets a misspelt attribute pass silently.
//
// What the caller must still do: authenticate the token, find the policies that
// belong to it (Attachment says which belong to a workload), and compile anew
// when one of them changes.
//
// # Which rule decides
//
// For a variable, in this order: a rule for exactly that namespace and path;
// for list and read, the implicit workload policy, which lets a workload do both
// with its job's own four paths under nomad/jobs (it has no say about writes: a
// glob that grants them counts there, as in Nomad); among the rules with a * in namespace or
// path that match, the one with the most literal characters. Only that one rule
// counts. Where two globs have equally many, the greater in byte order of
// "namespace NUL path" does, as in Nomad.
//
// For namespaces, node pools and host volumes likewise, without the second step.
//
// Rules of several policies with the same namespace and path are one rule: what
// they grant is united, and deny takes everything away. Nomad 2.0.5 is laxer in
// two places, where its documentation is not: a variable path that one policy
// denies and another grants stays granted there, and a deny among operator
// capabilities does not bind a policy = "write". Here deny always wins.
package acl
