//go:build !unix

package taskapi

// rawEnd is not to be had here: an end holds a buffer while it waits.
type rawEnd struct{}

func (*rawEnd) init(*end)       {}
func (*rawEnd) usable() bool    { return false }
func (*rawEnd) fill(*end) error { panic("unreachable") }

func (e *end) ask(out []byte, _ bool) (sent int, err error) { return e.askPlainly(out) }
