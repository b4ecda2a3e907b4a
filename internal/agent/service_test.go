package agent_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/internal/agent"
	"github.com/taskagent/taskagent/internal/wire"
)

func TestParseService(t *testing.T) {
	for spec, want := range map[string]wire.Service{
		"name=web,port=8080":                           {Name: "web", Port: 8080},
		"port=1,name=a-b,address=10.0.0.1,tags=a|b||c": {Name: "a-b", Port: 1, Address: "10.0.0.1", Tags: []string{"a", "b", "c"}},
		"name=web,port=65535,address=::1,tags=":        {Name: "web", Port: 65535, Address: "::1"},
		"name=web,port=80,address=db.internal":         {Name: "web", Port: 80, Address: "db.internal"},
	} {
		got, err := agent.ParseService(spec)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", spec, got, err, want)
		}
	}
}

func TestParseServiceRefuses(t *testing.T) {
	for spec, want := range map[string]string{
		"":                               `service "": "" is not of the form key=value`,
		"name=web":                       `service "name=web": port is missing`,
		"port=80":                        `service: name is missing`,
		"name=web,port=0":                `service "name=web,port=0": port "0" is not a number from 1 to 65535`,
		"name=web,port=65536":            `service "name=web,port=65536": port "65536" is not a number from 1 to 65535`,
		"name=web,port=+80":              `service "name=web,port=+80": port "+80" is not a number from 1 to 65535`,
		"name=web,port=80,port=81":       `service "name=web,port=80,port=81": port is given twice`,
		"name=web,port=80,colour=red":    `service "name=web,port=80,colour=red": unknown key "colour", want name, port, address or tags`,
		"name=-web,port=80":              `service name "-web": want at most 63 letters, digits and inner hyphens`,
		"name=we_b,port=80":              `service name "we_b": want at most 63 letters, digits and inner hyphens`,
		"name=web,port=80,address=a b":   `service "web": address "a b" is neither an IP address nor a host name`,
		"name=web,port=80,address=/sock": `service "web": address "/sock" is neither an IP address nor a host name`,
	} {
		_, err := agent.ParseService(spec)
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", spec, err, want)
		}
	}
}

// FuzzParseService: what is accepted can be registered, and is what was said.
func FuzzParseService(f *testing.F) {
	for _, seed := range []string{"name=web,port=8080", "name=web,port=80,address=10.0.0.1,tags=a|b", "port=,name=", ",", "name=a=b,port=1", "name=web,port=80,tags=|"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := agent.ParseService(spec)
		if err != nil {
			return
		}
		if s.Name == "" || len(s.Name) > 63 || s.Port < 1 || s.Port > 65535 {
			t.Errorf("%q was accepted as %+v", spec, s)
		}
		if !strings.Contains(spec, "name="+s.Name) {
			t.Errorf("%q became the name %q", spec, s.Name)
		}
		for _, tag := range s.Tags {
			if tag == "" || strings.ContainsAny(tag, "|,") {
				t.Errorf("%q has the tag %q", spec, tag)
			}
		}
	})
}
