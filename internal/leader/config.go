package leader

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/internal/fault"
)

// Config says how to lead.
type Config struct {
	// DataDir is the data directory, absolute. It is made when missing. Required.
	DataDir string
	// Settings are those given now; they are kept for the next leader.
	Settings Settings
	// Replace takes over from a leader that leads already.
	Replace bool
	// Detached leads without a terminal: logs go to a file in the data directory,
	// errors to Stdout, and a listener for operators that cannot be had is tried
	// again instead of being an error.
	Detached bool
	// Linger is how long to stay once the last task has gone and nobody asks for
	// anything; zero means for ever.
	Linger time.Duration
	// OpenBootstrap allows one ACL bootstrap while this leader leads. It is not kept.
	OpenBootstrap bool
	// Version is this program's, for those who ask.
	Version string
	// Stdout gets the line "ready" once the doors are open. When detached it gets
	// lines "error: …" and "hint: …" otherwise. Nil: nobody wants to know.
	Stdout io.Writer
	// Logger is used unless detached; nil means none.
	Logger hclog.Logger
}

// Validate returns the first thing that is wrong with the configuration.
func (c Config) Validate() error {
	if c.DataDir == "" {
		return errors.New("lead: no data directory is named")
	}
	if c.Linger < 0 {
		return fmt.Errorf("lead: linger %v is negative", c.Linger)
	}
	return c.Settings.Validate()
}

// say tells whoever started a detached leader why it does not lead.
func (c Config) say(err error) {
	leading, isLeading := errors.AsType[*LeadingError](err)
	switch {
	case c.Stdout == nil || !c.Detached:
	case err == nil:
	case isLeading && !leading.Silent:
		// Another one was quicker, which serves whoever asked as well.
		fmt.Fprintln(c.Stdout, "ready")
	default:
		fmt.Fprintf(c.Stdout, "error: %s\n", oneLine(err.Error()))
		if hint := fault.HintOf(err); hint != "" {
			fmt.Fprintf(c.Stdout, "hint: %s\n", oneLine(hint))
		}
	}
}
