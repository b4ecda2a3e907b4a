package envinject

import "time"

// MergeAs is Merge with the rules of Windows or Unix, whatever the system.
var MergeAs = merge

// SetAfter replaces the clock of the kill timeout.
func (c *Config) SetAfter(after func(time.Duration) (<-chan time.Time, func() bool)) { c.after = after }
