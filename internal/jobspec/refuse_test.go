package jobspec_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/internal/jobspec"
)

const twoGroups = `job "j" {
  group "web" {
    task "front" {}
    task "back" {}
  }
  group "db" {
    task "pg" {}
  }
}`

// refused are files and choices with what is said about them.
var refused = []struct {
	name, src, group, task string
	vars                   map[string]string
	want, hint             string
}{
	{name: "empty", src: "", want: `j.nomad: there is no job block in the file`},
	{name: "no job", src: "locals {}", want: `j.nomad: there is no job block in the file`},
	{name: "two jobs", src: "job \"a\" {}\njob \"b\" {}", want: `j.nomad:2,1: a second job block; a file has one job`},
	{name: "no label", src: "job {}", want: `j.nomad:1,5: Missing name for job: All job blocks must have 1 labels (name).`},
	{name: "syntax", src: "job \"a\" {\n x = \n}", want: `j.nomad:2,6: Invalid expression: Expected the start of an expression, but found an invalid expression token.`},
	{name: "not UTF-8", src: "job \"a\xff\" {}", want: `j.nomad: the job file is not UTF-8 text`},
	{name: "too large", src: strings.Repeat(" ", jobspec.MaxSize+1), want: `j.nomad: the job file is larger than 1048576 bytes`},
	{name: "too deep", src: "a = " + strings.Repeat("[", 600), want: `j.nomad:1,505: nested more than 500 deep`},
	{name: "too many signs", src: "a = " + strings.Repeat("!", 600), want: `j.nomad:1,505: nested more than 500 deep`},
	{name: "too deep in JSON", src: `{"a":` + strings.Repeat("[", 600), want: `j.nomad: the job file is nested too deep`},
	{name: "too many templates in JSON", src: `{"a":"` + strings.Repeat("${", 6000), want: `j.nomad: the job file is nested too deep`},
	{name: "no group", src: `job "j" {}`, want: `j.nomad: job "j" has no group`},
	{name: "no task", src: "job \"j\" {\n group \"g\" {}\n}", want: `j.nomad: group "g" has no task`},

	{name: "several groups", src: twoGroups, want: `j.nomad: job "j" has 2 groups: web, db`, hint: "choose one with -group"},
	{name: "several tasks", src: twoGroups, group: "web", want: `j.nomad: group "web" has 2 tasks: front, back`, hint: "choose one with -task"},
	{name: "unknown group", src: twoGroups, group: "x", want: `j.nomad: job "j" has no group "x", but web, db`},
	{name: "unknown task", src: twoGroups, group: "db", task: "x", want: `j.nomad: group "db" has no task "x", but pg`},
	{name: "a group twice", src: "job \"j\" {\n task \"g\" {}\n group \"g\" {}\n}", group: "g", want: `j.nomad: job "j" has two groups named "g"`},

	{name: "variable unset", src: "variable \"u\" {}\n" + inTask("user = var.u"),
		want: `j.nomad:5,8: variable "u" has neither a default nor a value`, hint: "give it one with -var u=VALUE"},
	{name: "variable unset, through a local", src: "variable \"u\" {}\nlocals {\n l = upper(var.u)\n}\n" + inTask("user = local.l"),
		want: `j.nomad:3,12: variable "u" has neither a default nor a value`, hint: "give it one with -var u=VALUE"},
	{name: "variable not declared", src: inTask("user = var.u"), want: `j.nomad:4,8: variable "u" is not declared`},
	{name: "variable declared twice", src: "variable \"u\" {}\nvariable \"u\" {}\n" + inTask(""), want: `j.nomad:2,1: variable "u" is declared twice`},
	{name: "value without a variable", src: "variable \"u\" {}\nvariable \"a\" {}\n" + inTask(""), vars: map[string]string{"x": "1"},
		want: `j.nomad: variable "x" is given but not declared in the job file`, hint: "it declares a, u"},
	{name: "value of another type", src: "variable \"u\" {\n type = number\n}\n" + inTask("user = var.u"), vars: map[string]string{"u": "many"},
		want: `-var u: the value is not of the variable's type: a number is required`},
	{name: "value that is no expression", src: "variable \"u\" {\n type = list(string)\n}\n" + inTask("user = var.u[0]"), vars: map[string]string{"u": "[a"},
		want: `-var u:1,1: Unterminated tuple constructor expression: There is no corresponding closing bracket before the end of the file. This may be caused by incorrect bracket nesting elsewhere in this file.`},
	{name: "value that nests", src: "variable \"u\" {\n type = list(string)\n}\n" + inTask("user = var.u[0]"), vars: map[string]string{"u": strings.Repeat("[", 600)},
		want: `-var u:1,501: nested more than 500 deep`},
	{name: "default of another type", src: "variable \"u\" {\n type = number\n default = \"x\"\n}\n" + inTask("user = var.u"),
		want: `j.nomad:3,12: the default of variable "u" is not of its type: a number is required`},
	{name: "default with a reference", src: "variable \"u\" {\n default = var.x\n}\n" + inTask("user = var.u"),
		want: `j.nomad:2,12: Variables not allowed: Variables may not be used here.`},
	{name: "unknown type", src: "variable \"u\" {\n type = text\n}\n" + inTask("user = var.u"),
		want: `j.nomad:2,9: Invalid type specification: The keyword "text" is not a valid type specification.`},
	{name: "local not defined", src: inTask("user = local.u"), want: `j.nomad:4,8: local "u" is not defined`},
	{name: "local twice", src: "locals {\n a = 1\n}\nlocals {\n a = 2\n}\n" + inTask(""), want: `j.nomad:5,2: local "a" is defined twice`},
	{name: "local in a circle", src: "locals {\n a = local.b\n b = local.a\n}\n" + inTask("user = local.a"), want: `j.nomad:2,2: local "a" is defined by itself`},
	{name: "unknown function", src: inTask("user = bcrypt(\"x\")"),
		want: `j.nomad:4,8: Call to unknown function: There is no function named "bcrypt".`},
	{name: "a function's failure", src: inTask("user = jsondecode(\"{\")"),
		want: `j.nomad:4,8: Error in function call: Call to function "jsondecode" failed: EOF.`},
	{name: "a reference and a part of it", src: inTask("user = \"${meta.a}${meta.a.b}\""),
		want: `j.nomad:4,20: ${meta.a.b} and a part of it cannot be used in one expression`},
	{name: "user of another type", src: inTask("user = [\"x\"]"), want: `j.nomad:4,8: user has an unsuitable value: string required, but have tuple`},

	{name: "unknown attribute in identity", src: inTask("identity {\n audience = [\"x\"]\n}"),
		want: `j.nomad:5,2: Unsupported argument: An argument named "audience" is not expected here.`},
	{name: "unknown block in identity", src: inTask("identity {\n aud {}\n}"),
		want: `j.nomad:5,2: Unsupported block type: Blocks of type "aud" are not expected here. Did you mean to define argument "aud"? If so, use the equals sign to assign it a value.`},
	{name: "two default identities", src: inTask("identity {}\nidentity {\n name = \"default\"\n}"), want: `j.nomad:5,1: identity "default" is given twice`},
	{name: "names that differ in case", src: inTask("identity {\n name = \"a\"\n aud = [\"x\"]\n}\nidentity {\n name = \"A\"\n aud = [\"x\"]\n}"),
		want: `j.nomad:3,3: task "t": identities "a" and "A" differ only in case`},
	{name: "bad identity name", src: inTask("identity {\n name = \"a/b\"\n}"), want: `j.nomad:4,1: identity "a/b": the name may only have letters, digits, - and _`},
	{name: "bad TTL", src: inTask("identity {\n ttl = \"1 hour\"\n}"), want: `j.nomad:5,8: ttl "1 hour" is not a duration such as 30s, 15m or 1h`},
	{name: "TTL of another type", src: inTask("identity {\n ttl = true\n}"), want: `j.nomad:5,8: ttl must be a duration such as "30s", "15m" or "1h"`},
	{name: "audience of another type", src: inTask("identity {\n name = \"a\"\n aud = \"x\"\n}"), want: `j.nomad:6,8: aud has an unsuitable value: list of string required, but have string`},
	{name: "a null audience", src: inTask("identity {\n name = \"a\"\n aud = [null]\n}"), want: `j.nomad:6,8: aud has a null in it`},
	{name: "env of another type", src: inTask("identity {\n env = \"maybe\"\n}"), want: `j.nomad:5,8: env has an unsuitable value: a bool is required`},
	{name: "change_mode", src: inTask("identity {\n change_mode = \"reload\"\n}"), want: `j.nomad:4,1: identity "default": change_mode "reload" is none of noop, signal, restart`},

	{name: "unknown attribute in vault", src: inTask("vault {\n rule = \"x\"\n}"),
		want: `j.nomad:5,2: Unsupported argument: An argument named "rule" is not expected here. Did you mean "role"?`},
	{name: "two vault blocks", src: inTask("vault {}\nvault {}"), want: `j.nomad:5,1: a second vault block`},
	{name: "unknown attribute in consul", src: inTask("consul {\n ns = \"x\"\n}"),
		want: `j.nomad:5,2: Unsupported argument: An argument named "ns" is not expected here.`},

	{name: "unknown attribute in service", src: inTask("service {\n provider = \"nomad\"\n ports = 1\n}"),
		want: `j.nomad:6,2: Unsupported argument: An argument named "ports" is not expected here. Did you mean "port"?`},
	{name: "unknown provider", src: inTask("service {\n provider = \"etcd\"\n}"), want: `j.nomad:5,13: the provider of a service is "nomad" or "consul", not "etcd"`},
	{name: "unknown port", src: inTask("service {\n provider = \"nomad\"\n port = \"x\"\n}"), want: `j.nomad:6,9: there is no port "x" in the group's network`},
	{name: "port out of range", src: inTask("service {\n provider = \"nomad\"\n port = 70000\n}"), want: `j.nomad:6,9: port 70000 is not between 1 and 65535`},
	{name: "static port out of range", src: "job \"j\" {\n group \"g\" {\n network {\n port \"x\" {\n static = 70000\n}\n}\n service {\n provider = \"nomad\"\n port = \"x\"\n}\n task \"t\" {}\n}\n}",
		want: `j.nomad:5,11: static of port "x" is not a port number`},
	{name: "service name", src: inTask("service {\n provider = \"nomad\"\n name = \"a_b\"\n}"),
		want: `j.nomad:6,9: the service name "a_b" may only have letters, digits and dashes inside, at most 63`},
	{name: "service identity without audience", src: inTask("service {\n provider = \"nomad\"\n name = \"a\"\n identity {}\n}"),
		want: `j.nomad:7,2: the identity of service "a" needs an audience: aud = […]`},

	{name: "dynamic over nothing", src: inTask("dynamic \"identity\" {\n for_each = 5\n content {}\n}"), want: `j.nomad:5,13: for_each must be a list, a set or a map`},
	{name: "dynamic without content", src: inTask("dynamic \"identity\" {\n for_each = []\n}"), want: `j.nomad:4,1: a dynamic block needs one content block`},
	{name: "dynamic without for_each", src: inTask("dynamic \"identity\" {\n content {}\n}"),
		want: `j.nomad:4,20: Missing required argument: The argument "for_each" is required, but no definition was found.`},
	{name: "dynamic without a label", src: "job \"j\" {\n dynamic \"group\" {\n for_each = [1]\n content {}\n}\n}",
		want: `j.nomad:2,2: a dynamic block for "group" needs one label: labels = ["NAME"]`},
	{name: "dynamic with a label too many", src: inTask("dynamic \"identity\" {\n for_each = [1]\n labels = [\"x\"]\n content {}\n}"),
		want: `j.nomad:4,1: a dynamic block for "identity" takes no labels`},
	{name: "dynamic iterator", src: inTask("dynamic \"identity\" {\n for_each = []\n iterator = 5\n content {}\n}"), want: `j.nomad:6,2: iterator must be a name`},
}

func TestRefuses(t *testing.T) {
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			_, err := jobspec.Load("j.nomad", []byte(tt.src), jobspec.Options{Group: tt.group, Task: tt.task, Vars: tt.vars})
			if err == nil || err.Error() != tt.want {
				t.Fatalf("got  %v\nwant %s", err, tt.want)
			}
			var e *jobspec.Error
			if !errors.As(err, &e) || e.Hint() != tt.hint {
				t.Errorf("%T with hint %q, want %q", err, e.Hint(), tt.hint)
			}
		})
	}
}

func TestHintForTheJSONOfTheAPI(t *testing.T) {
	_, err := jobspec.Load("job.json", []byte(`{"Job": {"ID": "x"}}`), jobspec.Options{})
	var e *jobspec.Error
	if !errors.As(err, &e) || e.Error() != "job.json: there is no job block in the file" ||
		e.Hint() != "the JSON of Nomad's API is not read; give the job file it was made from" {
		t.Errorf("got %v", err)
	}
}
