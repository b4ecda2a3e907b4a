package identity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskagent/taskagent/identity"
)

func TestParseSpec(t *testing.T) {
	nomad := []string{identity.NomadAudience}
	for _, tt := range []struct {
		in   string
		want identity.Spec
	}{
		{"name=aws,aud=sts.amazonaws.com|other,ttl=1h,env,file=aws.jwt,change_mode=signal,change_signal=SIGHUP", identity.Spec{
			Name: "aws", Audience: []string{"sts.amazonaws.com", "other"}, TTL: time.Hour, Env: true, File: true,
			Filepath: "aws.jwt", ChangeMode: identity.ChangeSignal, ChangeSignal: "SIGHUP"}},
		{"name=a", identity.Spec{Name: "a", ChangeMode: identity.ChangeNoop}},
		{" name=a , env ", identity.Spec{Name: "a", Env: true, ChangeMode: identity.ChangeNoop}},
		{"name=a,env=true,file=true", identity.Spec{Name: "a", Env: true, File: true, ChangeMode: identity.ChangeNoop}},
		{"name=a,env=false,file=false", identity.Spec{Name: "a", ChangeMode: identity.ChangeNoop}},
		{"name=a,file,filepath=local/x", identity.Spec{Name: "a", File: true, Filepath: "local/x", ChangeMode: identity.ChangeNoop}},
		{"filepath=true,file,name=a", identity.Spec{Name: "a", File: true, Filepath: "true", ChangeMode: identity.ChangeNoop}},
		{"name=a,ttl=0", identity.Spec{Name: "a", ChangeMode: identity.ChangeNoop}},
		{"name=a,change_mode=signal,change_signal=sigusr1", identity.Spec{Name: "a", ChangeMode: identity.ChangeSignal, ChangeSignal: "SIGUSR1"}},
		{"name=a,aud=x=y,service=web", identity.Spec{Name: "a", Audience: []string{"x=y"}, Service: "web", ChangeMode: identity.ChangeNoop}},
		{"name=default,ttl=1h", identity.Spec{Name: "default", Audience: nomad, TTL: time.Hour, ChangeMode: identity.ChangeNoop}},
		{"name=default,aud=nomadproject.io", identity.Spec{Name: "default", Audience: nomad, ChangeMode: identity.ChangeNoop}},
	} {
		got, err := identity.ParseSpec(tt.in)
		if err != nil {
			t.Errorf("ParseSpec(%q): %v", tt.in, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ParseSpec(%q) (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestParseSpecErrors(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", `identity spec "": an item is empty`},
		{"name=a,", `identity spec "name=a,": an item is empty`},
		{"=a", `identity spec "=a": an item is empty`},
		{"env", `identity spec "env": it has no name`},
		{"name", `identity spec "name": name needs a value: name=…`},
		{"name=", `identity spec "name=": name is empty`},
		{"name=a,colour=red", `identity spec "name=a,colour=red": unknown key "colour"; known are name, aud, ttl, env, file, filepath, change_mode, change_signal, service`},
		{"name=a,Env", `identity spec "name=a,Env": unknown key "Env"; known are name, aud, ttl, env, file, filepath, change_mode, change_signal, service`},
		{"name=a,name=b", `identity spec "name=a,name=b": name is given twice`},
		{"name=a,env,env=false", `identity spec "name=a,env,env=false": env is given twice`},
		{"name=a,file=x,filepath=y", `identity spec "name=a,file=x,filepath=y": file and filepath both name a file`},
		{"name=a,filepath=y,file=x", `identity spec "name=a,filepath=y,file=x": file and filepath both name a file`},
		{"name=a,env=yes", `identity spec "name=a,env=yes": env=yes: it takes true or false`},
		{"name=a,env=", `identity spec "name=a,env=": env is empty`},
		{"name=a,ttl=1", `identity spec "name=a,ttl=1": ttl "1" is not a duration such as 90s or 1h`},
		{"name=a,ttl", `identity spec "name=a,ttl": ttl needs a value: ttl=…`},
		{"name=a,aud=x||y", `identity "a": an audience is empty`},
		{"name=a,ttl=-1h", `identity "a": ttl -1h0m0s is negative`},
		{"name=a,ttl=10ms", `identity "a": ttl 10ms is under 1s`},
		{"name=a b", `identity "a b": the name may only have letters, digits, - and _`},
		{"name=a,filepath=x", `identity "a": a filepath needs file`},
		{"name=a,file=false,filepath=x", `identity "a": a filepath needs file`},
		{"name=default,aud=x", `identity "default": the audience of the default identity is always "nomadproject.io"`},
		{"name=default,service=web", `identity "default": the default identity is the task's, it cannot be a service's`},
		{"name=a,change_mode=reload", `identity "a": change_mode "reload" is none of noop, signal, restart`},
		{"name=a,change_mode=signal", `identity "a": change_mode "signal" needs a change_signal`},
		{"name=a,change_signal=SIGHUP", `identity "a": change_signal needs change_mode "signal"`},
		{"name=a,change_mode=restart,change_signal=SIGHUP", `identity "a": change_signal needs change_mode "signal"`},
		{"name=a,change_mode=signal,change_signal=HUP", `identity "a": change_signal "HUP" is not the name of a signal such as SIGHUP`},
		{"name=a,change_mode=signal,change_signal=SIG", `identity "a": change_signal "SIG" is not the name of a signal such as SIGHUP`},
		{"name=a,change_mode=signal,change_signal=SIG HUP", `identity "a": change_signal "SIG HUP" is not the name of a signal such as SIGHUP`},
	} {
		_, err := identity.ParseSpec(tt.in)
		if err == nil || err.Error() != tt.want {
			t.Errorf("ParseSpec(%q)\n got %v\nwant %s", tt.in, err, tt.want)
		}
	}
}

func TestSpecNames(t *testing.T) {
	for _, tt := range []struct {
		name, want string
	}{
		{"a", ""}, {"a-b_C9", ""}, {"default", ""}, {strings.Repeat("x", 128), ""},
		{"", `identity "": the name is empty`},
		{"a/b", `identity "a/b": the name may only have letters, digits, - and _`},
		{"..", `identity "..": the name may only have letters, digits, - and _`},
		{"ä", `identity "ä": the name may only have letters, digits, - and _`},
		{"a\x00", `identity "a\x00": the name may only have letters, digits, - and _`},
		{"a\n", `identity "a\n": the name may only have letters, digits, - and _`},
	} {
		got := ""
		if err := (identity.Spec{Name: tt.name}).Validate(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("name %q: got %q, want %q", tt.name, got, tt.want)
		}
	}
	long := strings.Repeat("x", 129)
	if err := (identity.Spec{Name: long}).Validate(); err == nil || !strings.HasSuffix(err.Error(), ": the name is longer than 128 characters") {
		t.Errorf("a name of 129: %v", err)
	}
}

func TestFilepath(t *testing.T) {
	for _, tt := range []struct {
		path string
		dir  identity.Dir
		rel  string
		err  string
	}{
		{path: "x.jwt", dir: "secrets", rel: "x.jwt"},
		{path: "a/b", dir: "secrets", rel: "a/b"},
		{path: "./a//b/./c", dir: "secrets", rel: "a/b/c"},
		{path: "secrets/x", dir: "secrets", rel: "x"},
		{path: "local/nomad_token", dir: "local", rel: "nomad_token"},
		{path: "./local/a/b", dir: "local", rel: "a/b"},
		{path: "alloc/x", dir: "alloc", rel: "x"},
		{path: "secretsx", dir: "secrets", rel: "secretsx"},
		{path: "Local/x", dir: "secrets", rel: "Local/x"},
		{path: "local/api.sock", dir: "local", rel: "api.sock"},
		{path: "...x", dir: "secrets", rel: "...x"},
		{path: "ünï", dir: "secrets", rel: "ünï"},
		{path: "/etc/passwd", err: `filepath "/etc/passwd" is absolute`},
		{path: "..", err: `filepath ".." has a .. in it`},
		{path: "a/../b", err: `filepath "a/../b" has a .. in it`},
		{path: "local/../../x", err: `filepath "local/../../x" has a .. in it`},
		{path: ".", err: `filepath "." names a directory`},
		{path: "./", err: `filepath "./" names a directory`},
		{path: "a/", err: `filepath "a/" names a directory`},
		{path: "local", err: `filepath "local" names a directory`},
		{path: "./secrets", err: `filepath "./secrets" names a directory`},
		{path: "alloc/.", err: `filepath "alloc/." names a directory`},
		{path: `a\b`, err: `filepath "a\\b" has the reserved character '\\'`},
		{path: `C:\x`, err: `filepath "C:\\x" has the reserved character ':'`},
		{path: "a\x00b", err: `filepath "a\x00b" has the reserved character '\x00'`},
		{path: "a\nb", err: `filepath "a\nb" has the reserved character '\n'`},
		{path: "a?", err: `filepath "a?" has the reserved character '?'`},
		{path: "a.", err: `filepath "a." has a part that ends with ".", which Windows drops`},
		{path: ".../x", err: `filepath ".../x" has a part that ends with ".", which Windows drops`},
		{path: "a /b", err: `filepath "a /b" has a part that ends with " ", which Windows drops`},
		{path: "api.sock", err: `filepath "api.sock" is where the socket goes`},
		{path: "secrets/API.sock", err: `filepath "secrets/API.sock" is where the socket goes`},
		{path: "taskagent.sock/x", err: `filepath "taskagent.sock/x" is where the socket goes`},
	} {
		s := identity.Spec{Name: "a", File: true, Filepath: tt.path}
		err := s.Validate()
		if tt.err != "" {
			if want := `identity "a": ` + tt.err; err == nil || err.Error() != want {
				t.Errorf("%q\n got %v\nwant %s", tt.path, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tt.path, err)
		}
		if dir, rel := s.Location(); dir != tt.dir || rel != tt.rel {
			t.Errorf("%q lies in %s at %q, want %s, %q", tt.path, dir, rel, tt.dir, tt.rel)
		}
	}
}

func TestSpecPlaces(t *testing.T) {
	for _, tt := range []struct {
		spec      identity.Spec
		env, file string
	}{
		{identity.Spec{Name: "default"}, "NOMAD_TOKEN", "nomad_token"},
		{identity.Spec{Name: "a-b"}, "NOMAD_TOKEN_a-b", "nomad_a-b.jwt"},
		{identity.Spec{Name: "a", File: true, Filepath: "x/y"}, "NOMAD_TOKEN_a", "x/y"},
	} {
		if got := tt.spec.EnvName(); got != tt.env {
			t.Errorf("%s: EnvName %q, want %q", tt.spec, got, tt.env)
		}
		if got := tt.spec.FileName(); got != tt.file {
			t.Errorf("%s: FileName %q, want %q", tt.spec, got, tt.file)
		}
	}
}

func TestCanonical(t *testing.T) {
	in := identity.Spec{Audience: []string{"someone"}, ChangeMode: identity.ChangeSignal, ChangeSignal: "sighup"}
	want := identity.Spec{Name: "default", Audience: []string{"nomadproject.io"}, ChangeMode: identity.ChangeSignal, ChangeSignal: "SIGHUP"}
	if diff := cmp.Diff(want, in.Canonical()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if in.Name != "" || in.Audience[0] != "someone" {
		t.Errorf("Canonical changed its receiver to %v", in)
	}
}

func TestValidateSet(t *testing.T) {
	type specs = []identity.Spec
	for _, tt := range []struct {
		specs specs
		want  string
	}{
		{nil, ""},
		{specs{{Name: "default", File: true}, {Name: "a", File: true}, {Name: "b", File: true, Filepath: "local/nomad_token"}}, ""},
		{specs{{Name: "a", File: true, Filepath: "x"}, {Name: "b"}}, ""},
		{specs{{Name: "a"}, {Name: "!"}}, `identity "!": the name may only have letters, digits, - and _`},
		{specs{{Name: "a"}, {Name: "b"}, {Name: "a"}}, `identity "a" is given twice`},
		{specs{{Name: "a"}, {Name: "A"}}, `identities "a" and "A" differ only in case`},
		{specs{{Name: "a", File: true}, {Name: "b", File: true, Filepath: "secrets/NOMAD_A.jwt"}}, `identities "a" and "b" write the same file "secrets/NOMAD_A.jwt"`},
		{specs{{Name: "a", File: true, Filepath: "x"}, {Name: "b", File: true, Filepath: "./x"}}, `identities "a" and "b" write the same file "./x"`},
		{specs{{Name: "a", File: true, Filepath: "x/y"}, {Name: "b", File: true, Filepath: "X"}}, `identities "a" and "b": the file of one is a directory of the other`},
	} {
		got := ""
		if err := identity.ValidateSet(tt.specs); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%v\n got %q\nwant %q", tt.specs, got, tt.want)
		}
	}
}

// FuzzParseSpec: what was read is valid, and its text reads as the same again.
func FuzzParseSpec(f *testing.F) {
	for _, seed := range []string{
		"name=aws,aud=sts.amazonaws.com|other,ttl=1h,env,file=aws.jwt,change_mode=signal,change_signal=SIGHUP",
		"name=default,ttl=90s", "name=a,file,filepath=local/true", "name=a,service=web,env=false", "name=a,ttl=1h,ttl=2h", "name=,=", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		spec, err := identity.ParseSpec(in)
		if err != nil {
			return
		}
		if err := spec.Validate(); err != nil {
			t.Fatalf("ParseSpec(%q) let through: %v", in, err)
		}
		again, err := identity.ParseSpec(spec.String())
		if err != nil {
			t.Fatalf("ParseSpec(%q) of %q: %v", spec, in, err)
		}
		if diff := cmp.Diff(spec, again); diff != "" {
			t.Fatalf("%q became %q (-first +again):\n%s", in, spec, diff)
		}
		if dir, rel := spec.Location(); dir == "" || rel == "" || strings.Contains(rel, "..") && strings.Contains("/"+rel+"/", "/../") {
			t.Fatalf("%q lies in %q at %q", in, dir, rel)
		}
	})
}
