// Package leader is the embedded leader: one process per data directory that
// does for workload identities what Nomad's leader does.
//
// It takes allocations from agents, signs their identities, keeps a lease on
// every task, and serves Nomad's HTTP API through three doors: leader.sock for
// the directory's owner and root, whom the kernel vouches for; task.sock, where
// nothing but the token counts; and, when asked for, a TCP listener for
// operators with a token. A token dies with its task: what was signed
// for a task that has ended or was lost is refused at every door.
//
// It refuses to run as anyone but the owner of the data directory, and next to
// another leader of it. It never talks to a leader elsewhere. What the API does
// is httpapi's, what is stored is state's, keys are keyring's.
//
// The caller must end the process when Run returns: a successor waits for the
// lock that Run gives back last.
package leader
