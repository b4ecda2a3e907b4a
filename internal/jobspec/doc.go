// Package jobspec reads a Nomad job file (HCL2, or HCL in JSON) for what a
// workload identity needs: who the task is, the identity, service, vault and
// consul blocks of one task and its group, and the task's user.
//
// Everything else in the file is skipped, not refused: other blocks, and the
// variables, locals and functions only they use, are never evaluated. What is
// used is evaluated as Nomad does it, with variables from their defaults or
// Options.Vars, locals, dynamic blocks and Nomad's functions, less those that
// nothing of this could need (bcrypt, rsadecrypt, yaml…, uuid…, cidr…, fileset).
// The validation blocks of variables are not run.
//
// # What is an error, what a warning
//
// What is wrong with the file, Nomad would refuse too: it is an *Error with file,
// line and column. That includes an unknown attribute in an identity, vault,
// consul or registered service block. What is right but cannot be known outside
// of a cluster becomes a warning in Task.Warnings, or from Task.Interpolate, and
// is left out: a port that Nomad would choose (the service has port 0 then), a
// service whose name needs an attribute of a node.
//
// # Claims
//
// As in Nomad 2.0.5 (its claims builder), an identity of the task gets
// vault_namespace and vault_role when its name starts with vault_, from the vault
// block of the task, or when it has none of its group, or then of the job; blocks
// are taken whole, not merged. consul_namespace goes to identities of task and
// service whose name starts with consul_ or consul-service_, from the consul
// block of the task, or when it has none of its group. A block that does not set
// the value gives no claim, and the block's cluster makes no difference. Nomad
// also wants its servers configured for the cluster of that name, and may then
// add a default role and identities of its own; here there is no such
// configuration and so neither.
//
// The caller validates nothing again, but merges flags, and calls
// Task.Interpolate once the allocation is known.
package jobspec
