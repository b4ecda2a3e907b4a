package main

import (
	"fmt"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/internal/fault"
)

// commonFlags are the flags of every long-running command.
type commonFlags struct {
	logLevel string
	logJSON  bool
}

func addCommonFlags(f *flagSet) *commonFlags {
	var c commonFlags
	f.StringVar(&c.logLevel, "log-level", "info", "log `level`: trace, debug, info, warn, error or off")
	f.BoolVar(&c.logJSON, "log-json", false, "log in JSON")
	return &c
}

// logger writes to stderr: a task's stdout is its own.
func (f *commonFlags) logger(c *invocation) (hclog.Logger, error) {
	level := hclog.LevelFromString(f.logLevel)
	if level == hclog.NoLevel {
		return nil, fault.Usage(fmt.Errorf("invalid value %q for flag -log-level", f.logLevel), "want trace, debug, info, warn, error or off")
	}
	return hclog.New(&hclog.LoggerOptions{
		Name:       "taskagent",
		Level:      level,
		Output:     c.err,
		JSONFormat: f.logJSON,
		TimeFormat: "2006-01-02T15:04:05.000Z07:00",
	}), nil
}
