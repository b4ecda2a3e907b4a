package envinject_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskagent/taskagent/envinject"
)

func TestMerge(t *testing.T) {
	tests := map[string]struct {
		base    []string
		options envinject.MergeOptions
		windows bool
		want    []string
	}{
		"nothing": {want: []string{}},
		"the caller's in order, then the task's": {
			base:    []string{"B=1", "A=2"},
			options: envinject.MergeOptions{Task: []string{"D=3", "C=4"}},
			want:    []string{"B=1", "A=2", "D=3", "C=4"},
		},
		"the last value wins at the first place": {
			base: []string{"A=1", "B=2", "A=3"},
			want: []string{"A=3", "B=2"},
		},
		"the task wins": {
			base:    []string{"NOMAD_REGION=eu", "A=1"},
			options: envinject.MergeOptions{Task: []string{"NOMAD_REGION=global", "NOMAD_REGION=us"}},
			want:    []string{"A=1", "NOMAD_REGION=us"},
		},
		"credentials and addresses of the caller's own": {
			base: []string{
				"NOMAD_TOKEN=x", "NOMAD_TOKEN_aws=x", "NOMAD_ADDR=x", "NOMAD_UNIX_ADDR=x", "NOMAD_HTTP_AUTH=x",
				"NOMAD_CACERT=x", "NOMAD_CAPATH=x", "NOMAD_CLIENT_CERT=x", "NOMAD_CLIENT_KEY=x",
				"NOMAD_TLS_SERVER_NAME=x", "NOMAD_SKIP_VERIFY=x",
				"VAULT_TOKEN=x", "VAULT_TOKEN_vault_default=x", "VAULT_CLIENT_CERT=x", "VAULT_CLIENT_KEY=x",
				"CONSUL_HTTP_TOKEN=x", "CONSUL_HTTP_TOKEN_FILE=x", "CONSUL_HTTP_AUTH=x", "CONSUL_TOKEN=x",
				"CONSUL_CLIENT_CERT=x", "CONSUL_CLIENT_KEY=x",
				"TASKAGENT_DATA_DIR=x", "TASKAGENT_=x",
			},
			want: []string{},
		},
		"what only sounds like one": {
			base: []string{"NOMAD_ADDR_http=1.2.3.4:80", "NOMAD_TOKENS=1", "TASKAGENT=1", "VAULT_ADDR=x", "nomad_token=x", "MY_NOMAD_TOKEN=x"},
			want: []string{"NOMAD_ADDR_http=1.2.3.4:80", "NOMAD_TOKENS=1", "TASKAGENT=1", "VAULT_ADDR=x", "nomad_token=x", "MY_NOMAD_TOKEN=x"},
		},
		"the task's own tokens": {
			base:    []string{"NOMAD_TOKEN=caller", "NOMAD_TOKEN_a-b=caller"},
			options: envinject.MergeOptions{Task: []string{"NOMAD_TOKEN=task"}},
			want:    []string{"NOMAD_TOKEN=task"},
		},
		"in an allocation Nomad's stay": {
			base:    []string{"NOMAD_TOKEN=x", "VAULT_TOKEN=x", "TASKAGENT_SOURCE=file"},
			options: envinject.MergeOptions{InAllocation: true},
			want:    []string{"NOMAD_TOKEN=x", "VAULT_TOKEN=x"},
		},
		"entries that are no variables": {
			base: []string{"", "novalue", "novalue", "=x", "==y", "A="},
			want: []string{"", "novalue", "=x", "==y", "A="},
		},
		"no variable of a removed name": {
			base: []string{"NOMAD_TOKEN"},
			want: []string{},
		},
		"another user": {
			base:    []string{"HOME=/root", "USER=root", "LOGNAME=root", "MAIL=x", "SHELL=/bin/zsh", "XDG_RUNTIME_DIR=/run/user/0", "XDG_DATA_DIRS=/usr/share", "A=1"},
			options: envinject.MergeOptions{User: &envinject.UserEnv{Name: "www", Home: "/srv/www"}},
			want:    []string{"SHELL=/bin/zsh", "XDG_DATA_DIRS=/usr/share", "A=1", "HOME=/srv/www", "USER=www", "LOGNAME=www"},
		},
		"another user with a shell, and a home set by the task": {
			base:    []string{"HOME=/root", "SHELL=/bin/zsh"},
			options: envinject.MergeOptions{User: &envinject.UserEnv{Name: "www", Home: "/srv/www", Shell: "/bin/sh"}, Task: []string{"HOME=/elsewhere"}},
			want:    []string{"HOME=/elsewhere", "USER=www", "LOGNAME=www", "SHELL=/bin/sh"},
		},
		"another user without a name": {
			base:    []string{"HOME=/root", "USER=root", "LOGNAME=root"},
			options: envinject.MergeOptions{User: &envinject.UserEnv{}},
			want:    []string{"HOME=/"},
		},
		"windows: any case": {
			base:    []string{"Path=a", "PATH=b", "nomad_token=x", "TaskAgent_Source=x", "novalue", "NoValue"},
			windows: true,
			want:    []string{"PATH=b", "NoValue"},
		},
		"windows: the drives' directories": {
			base:    []string{`=C:=C:\a`, `=D:=D:\`, `=c:=C:\b`},
			windows: true,
			want:    []string{`=c:=C:\b`, `=D:=D:\`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			base := slices.Clone(test.base)
			got := envinject.MergeAs(base, test.options, test.windows)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Merge (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.base, base); diff != "" {
				t.Errorf("Merge changed what it was given (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMergeRemovesWhatItLists(t *testing.T) {
	for _, list := range []struct {
		names   []string
		options envinject.MergeOptions
	}{
		{envinject.Removed(), envinject.MergeOptions{}},
		{envinject.RemovedInAllocation(), envinject.MergeOptions{InAllocation: true}},
	} {
		for _, name := range list.names {
			name = strings.ReplaceAll(name, "*", "x")
			if got := envinject.Merge([]string{name + "=secret"}, list.options); len(got) != 0 {
				t.Errorf("Merge lets %s through", name)
			}
		}
	}
}

// FuzzMerge checks what holds for every environment: what is removed stays
// out unless the task has it, no name comes twice, everything the task has is
// there, and a second merge changes nothing.
func FuzzMerge(f *testing.F) {
	f.Add("A=1\nNOMAD_TOKEN=x\nA=2", "NOMAD_TOKEN=y", false, false, false)
	f.Add("=C:=C:\\\nPath=a\nPATH=b\nTaskAgent_X=1", "path=c", true, false, true)
	f.Add("novalue\n\n=\n==\nnovalue", "B\nB=1\nB", false, true, true)
	f.Add("HOME=/root\nUSER=root\nVAULT_TOKEN_x=1", "HOME=/x\nHOME=/y", false, false, true)
	f.Fuzz(func(t *testing.T, base, task string, windows, inAllocation, otherUser bool) {
		split := func(s string) []string {
			if s == "" {
				return nil
			}
			return strings.Split(s, "\n")
		}
		name := func(entry string) string {
			name := entry
			if len(entry) > 0 {
				if i := strings.Index(entry[1:], "="); i >= 0 {
					name = entry[:i+1]
				}
			}
			if windows {
				name = strings.ToUpper(name)
			}
			return name
		}
		o := envinject.MergeOptions{Task: split(task), InAllocation: inAllocation}
		removed := envinject.Removed()
		if inAllocation {
			removed = envinject.RemovedInAllocation()
		}
		if otherUser {
			o.User = &envinject.UserEnv{Name: "u", Home: "/h"}
		}
		own := map[string]string{}
		for _, entry := range o.Task {
			own[name(entry)] = entry
		}

		got := envinject.MergeAs(split(base), o, windows)

		seen := map[string]string{}
		for _, entry := range got {
			n := name(entry)
			if _, twice := seen[n]; twice {
				t.Errorf("%q comes twice in %q", n, got)
			}
			seen[n] = entry
			if _, set := own[n]; set {
				continue
			}
			for _, pattern := range removed {
				prefix, wild := strings.CutSuffix(pattern, "*")
				if n == pattern || (wild && strings.HasPrefix(n, prefix)) {
					t.Errorf("%q got through", entry)
				}
			}
		}
		for n, entry := range own {
			if seen[n] != entry {
				t.Errorf("the task's %q is %q", entry, seen[n])
			}
		}
		if again := envinject.MergeAs(got, o, windows); !slices.Equal(got, again) {
			t.Errorf("merged again:\n%q\n%q", got, again)
		}
	})
}

func BenchmarkMerge(b *testing.B) {
	base := make([]string, 0, 60)
	for i := range 60 {
		base = append(base, "VARIABLE_"+strings.Repeat("x", i)+"=value")
	}
	o := envinject.MergeOptions{Task: task.Vars()}
	for b.Loop() {
		envinject.Merge(base, o)
	}
}
