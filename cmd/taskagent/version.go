package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by release builds: -ldflags "-X main.version=1.2.3".
var version = "0.1.0-dev"

var versionCommand = &command{
	name:    "version",
	summary: "Print the version",
	run: func(_ context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		if err := f.parse(); err != nil {
			return exitUsage, err
		}
		if err := f.want(f.Args(), 0, 0); err != nil {
			return exitUsage, err
		}
		fmt.Fprintf(c.out, "taskagent %s%s (%s, %s/%s)\n", version, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitOK, nil
	},
}

// revision is the commit the binary was built from, where the build knew it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return " " + s.Value[:12]
		}
	}
	return ""
}
