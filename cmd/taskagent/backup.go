package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/leader"
)

// backup does what leader -snapshot and leader -restore ask for, instead of
// leading. Flags about how to lead are refused beside them: a backup holds the
// settings of the directory it was made of.
func backup(ctx context.Context, f *flagSet, dataDir, snapshot, restore string) (int, error) {
	for name := range f.given {
		switch name {
		case "snapshot", "restore", "data-dir", "log-level", "log-json":
		default:
			return exitUsage, fault.Usage(fmt.Errorf("leader: -%s has no meaning with -snapshot or -restore", name), "")
		}
	}
	path, do, verb := snapshot, leader.Snapshot, "-snapshot"
	if f.given["restore"] {
		if f.given["snapshot"] {
			return exitUsage, fault.Usage(errors.New("leader: -snapshot and -restore exclude each other"), "")
		}
		path, do, verb = restore, leader.Restore, "-restore"
	}
	if path == "" {
		return exitUsage, fault.Usage(fmt.Errorf("leader: %s names no file", verb), "")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return exitInternal, err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := do(ctx, dataDir, path); err != nil {
		return exitInternal, err
	}
	return exitOK, nil
}
