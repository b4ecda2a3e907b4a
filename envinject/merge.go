package envinject

import (
	"runtime"
	"slices"
	"strings"
)

// MergeOptions says what becomes of the caller's environment in Merge.
type MergeOptions struct {
	// Task holds the task's own variables, "NAME=value" each, as TaskEnv.Vars
	// makes them. They win over the caller's and are never removed.
	Task []string
	// InAllocation says that the caller is itself a task of a Nomad
	// allocation whose identity is passed on: Nomad's credentials and
	// addresses are meant for the task and stay. Only TASKAGENT_ is removed.
	InAllocation bool
	// User is set when the task runs as another user than the caller.
	User *UserEnv
}

// UserEnv is what a task started as another user is told about that user.
type UserEnv struct {
	Name  string // USER and LOGNAME; empty for a uid without a name: both are removed
	Home  string // HOME; empty: "/", as login programs do, because the caller's is not the task's
	Shell string // SHELL; empty: the caller's stays
}

// Removed lists the names of variables that Merge does not let through from
// the caller's environment to the task: credentials of the caller's own and
// the addresses that they are for. A name that ends in * stands for all that
// begin so. What only configures (VAULT_ADDR, a region) is left alone.
func Removed() []string { return slices.Clone(removed) }

// RemovedInAllocation is Removed for MergeOptions.InAllocation.
func RemovedInAllocation() []string { return slices.Clone(removedAlways) }

var removedAlways = []string{
	"TASKAGENT_*", // flags of the agent: they may name upstreams, keys and secrets
}

var removed = append(slices.Clone(removedAlways),
	// What Nomad's CLI and API clients read.
	"NOMAD_TOKEN",
	"NOMAD_TOKEN_*", // identities of the caller's
	"NOMAD_ADDR",    // and not NOMAD_ADDR_<label>, which is a port of the task's
	"NOMAD_UNIX_ADDR",
	"NOMAD_HTTP_AUTH",
	"NOMAD_CACERT",
	"NOMAD_CAPATH",
	"NOMAD_CLIENT_CERT",
	"NOMAD_CLIENT_KEY",
	"NOMAD_TLS_SERVER_NAME",
	"NOMAD_SKIP_VERIFY",
	"VAULT_TOKEN",
	"VAULT_TOKEN_*", // identities of the caller's, by the same pattern, and VAULT_TOKEN_FILE
	"VAULT_CLIENT_CERT",
	"VAULT_CLIENT_KEY",
	"CONSUL_HTTP_TOKEN",
	"CONSUL_HTTP_TOKEN_*", // CONSUL_HTTP_TOKEN_FILE among them
	"CONSUL_HTTP_AUTH",
	"CONSUL_TOKEN", // consul-template and envconsul
	"CONSUL_CLIENT_CERT",
	"CONSUL_CLIENT_KEY",
)

// Merge makes the environment of a task from the caller's. It returns the
// caller's variables in their order, without the removed ones and those the
// task has itself, and then the task's in theirs. A name appears once, at its
// first place and with the last value given for it. Names are compared as the
// system does: on Windows in any case.
//
// An entry without "=" is no variable, but Unix hands such on, and so does
// Merge. On Windows names may begin with "=" ("=C:=C:\dir").
func Merge(base []string, o MergeOptions) []string {
	return merge(base, o, runtime.GOOS == "windows")
}

func merge(base []string, o MergeOptions, windows bool) []string {
	patterns := removed
	if o.InAllocation {
		patterns = removedAlways
	}
	var own []string
	if o.User != nil {
		patterns = slices.Concat(patterns, o.User.hides())
		own = o.User.vars()
	}
	own = unique(slices.Concat(own, o.Task), windows)
	taken := make(map[string]bool, len(own))
	for _, entry := range own {
		taken[entryKey(entry, windows)] = true
	}
	kept := make([]string, 0, len(base)+len(own))
	for _, entry := range base {
		if key := entryKey(entry, windows); !taken[key] && !matches(patterns, key) {
			kept = append(kept, entry)
		}
	}
	return slices.Clip(append(unique(kept, windows), own...))
}

// unique keeps one entry of each name: the last one, at the place of the first.
// It works in place.
func unique(entries []string, windows bool) []string {
	at := make(map[string]int, len(entries))
	kept := entries[:0]
	for _, entry := range entries {
		key := entryKey(entry, windows)
		if i, ok := at[key]; ok {
			kept[i] = entry
			continue
		}
		at[key] = len(kept)
		kept = append(kept, entry)
	}
	return kept
}

// entryKey is what tells one variable from another: its name, in upper case
// where case does not matter, or the whole of an entry that is no variable.
func entryKey(entry string, windows bool) string {
	// The first byte may be a "=" that belongs to the name (Windows), and on
	// Unix a name is never empty.
	name := entry
	if entry != "" {
		if i := strings.IndexByte(entry[1:], '='); i >= 0 {
			name = entry[:i+1]
		}
	}
	if windows {
		return strings.ToUpper(name)
	}
	return name
}

func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if prefix, ok := strings.CutSuffix(p, "*"); ok && strings.HasPrefix(name, prefix) || p == name {
			return true
		}
	}
	return false
}

// hides lists those of the caller's variables that would mislead a task of
// another user: who the caller is, and private places of the caller's that the
// task could not enter.
func (u UserEnv) hides() []string {
	names := []string{
		"HOME", "USER", "LOGNAME", "MAIL", "DBUS_SESSION_BUS_ADDRESS",
		"XDG_RUNTIME_DIR", "XDG_SESSION_*",
		"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
	}
	if u.Shell != "" {
		names = append(names, "SHELL")
	}
	return names
}

func (u UserEnv) vars() []string {
	home := u.Home
	if home == "" {
		home = "/"
	}
	vars := []string{"HOME=" + home}
	if u.Name != "" {
		vars = append(vars, "USER="+u.Name, "LOGNAME="+u.Name)
	}
	if u.Shell != "" {
		vars = append(vars, "SHELL="+u.Shell)
	}
	return vars
}
