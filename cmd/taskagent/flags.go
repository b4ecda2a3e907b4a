package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/taskagent/taskagent/internal/fault"
)

// flagSet is a flag.FlagSet whose flags all have an environment twin.
type flagSet struct {
	*flag.FlagSet
	c *invocation
	// given holds the names that the command line or the environment set.
	given map[string]bool
}

func newFlags(c *invocation) *flagSet {
	f := &flagSet{FlagSet: flag.NewFlagSet(c.path, flag.ContinueOnError), c: c, given: map[string]bool{}}
	f.SetOutput(io.Discard) // errors are printed once, by run, in our own voice
	f.Usage = func() {}
	return f
}

// envName is the twin of a flag: -data-dir is TASKAGENT_DATA_DIR.
func envName(flagName string) string {
	return "TASKAGENT_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

// parse reads the command line, then fills what it left open from the
// environment. What is left over is in f.Args.
func (f *flagSet) parse() error {
	if err := f.Parse(f.c.args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			f.printHelp()
			return err
		}
		return fault.Usage(fmt.Errorf("%s: %w", f.c.path, err), f.c.path+" -h shows the flags")
	}
	f.Visit(func(fl *flag.Flag) { f.given[fl.Name] = true })
	env := environMap(f.c.environ)
	var err error
	f.VisitAll(func(fl *flag.Flag) {
		value, ok := env[envName(fl.Name)]
		if !ok || f.given[fl.Name] || err != nil {
			return
		}
		f.given[fl.Name] = true
		values := []string{value}
		if _, repeatable := fl.Value.(*listValue); repeatable {
			values = nonEmptyLines(value)
		}
		for _, v := range values {
			if e := fl.Value.Set(v); e != nil {
				err = fault.Usage(fmt.Errorf("%s: invalid value %q for %s: %w", f.c.path, v, envName(fl.Name), e), "")
			}
		}
	})
	return err
}

// parseMixed is parse for commands whose flags may also follow their operands.
func (f *flagSet) parseMixed() ([]string, error) {
	var operands []string
	flags, rest := f.c.args, []string(nil)
	for {
		if err := f.Parse(flags); err != nil {
			f.c.args = flags
			return nil, f.parse() // the same error, said in our voice
		}
		rest = f.Args()
		if len(rest) == 0 || (len(flags) > len(rest) && flags[len(flags)-len(rest)-1] == "--") {
			operands = append(operands, rest...)
			break
		}
		operands = append(operands, rest[0])
		flags = rest[1:]
	}
	f.c.args = nil
	return operands, f.parse()
}

// want checks the number of operands.
func (f *flagSet) want(operands []string, least, most int) error {
	usage := strings.TrimSpace("usage: " + f.c.path + " " + f.c.command.args)
	switch n := len(operands); {
	case n < least:
		return fault.Usage(fmt.Errorf("%s: an argument is missing", f.c.path), usage)
	case most >= 0 && n > most:
		return fault.Usage(fmt.Errorf("%s: unexpected argument %q", f.c.path, operands[most]), usage)
	}
	return nil
}

func (f *flagSet) printHelp() {
	w := f.c.out
	fmt.Fprintf(w, "%s\n\n%s.\n", strings.TrimSpace("usage: "+f.c.path+" "+f.c.command.args), f.c.command.summary)
	var flags []*flag.Flag
	f.VisitAll(func(fl *flag.Flag) {
		if fl.Usage != hiddenFlag {
			flags = append(flags, fl)
		}
	})
	if len(flags) == 0 {
		return
	}
	sort.Slice(flags, func(i, j int) bool { return flags[i].Name < flags[j].Name })
	fmt.Fprintln(w)
	for _, fl := range flags {
		arg, usage := flag.UnquoteUsage(fl)
		head := "-" + fl.Name
		if arg != "" {
			head += " " + arg
		}
		if fl.DefValue != "" && fl.DefValue != "false" && fl.DefValue != "0s" && !strings.Contains(usage, "default") {
			usage += " (default " + fl.DefValue + ")"
		}
		fmt.Fprintf(w, "    %-28s %s\n", head, usage)
	}
	fmt.Fprintf(w, "\nEvery flag can be set in the environment too: -data-dir as %s.\n", envName("data-dir"))
}

// hiddenFlag is the usage of a flag that is not for people.
const hiddenFlag = "\x00"

// listValue is a repeatable flag; its twin holds one value a line.
type listValue []string

func (l *listValue) String() string { return strings.Join(*l, "\n") }

func (l *listValue) Set(s string) error {
	*l = append(*l, s)
	return nil
}

// list defines a repeatable flag.
func (f *flagSet) list(name, usage string) *[]string {
	var l listValue
	f.Var(&l, name, usage)
	return (*[]string)(&l)
}

func nonEmptyLines(s string) []string {
	var out []string
	for line := range strings.SplitSeq(s, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

func environMap(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			m[k] = v
		}
	}
	return m
}
