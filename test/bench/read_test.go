//go:build linux

package bench_test

import "testing"

// rounds is how many turns each contestant has.
const rounds = 10

// BenchmarkDoor reads a variable at the leader's task door, token and ACL
// checked, beside a Go server that answers the same bytes without a thought and,
// where there is one, a real Nomad.
func BenchmarkDoor(b *testing.B) {
	b.Run("conns=8", func(b *testing.B) { doors(b, 8, "reads/s", (*senders).rate) })
	b.Run("conns=1", func(b *testing.B) { doors(b, 1, "µs", (*senders).latency) })
}

// reader is a world in which somebody may read a variable.
func reader(b *testing.B) (w *world, t *task, request []byte) {
	b.Helper()
	w = newWorld(b)
	w.leader()
	w.variables()
	t = w.start("reader")
	return w, t, readRequest(variablePath, t.token())
}

func doors(b *testing.B, conns int, unit string, turn func(*senders) float64) {
	w, _, request := reader(b)
	var c contest
	enter := func(name, socket string, request []byte) {
		all := dialAll(b, conns, socket, request)
		c.add(name, func() float64 { return turn(all) })
	}
	enter("door", w.door(), request)
	enter("bare", bareServer(b, w.must("var", "get", "-json", variablePath)), request)
	if n := nomadTask(b); n != nil {
		enter("nomad", n.socket, n.request)
	}
	for b.Loop() {
		c.run(rounds)
	}
	c.report(b, unit)
	c.ratio(b, "door", "bare")
	c.ratio(b, "door", "nomad")
}

// BenchmarkSocket reads the same variable through an agent's socket, beside other
// proxies in front of the same door.
func BenchmarkSocket(b *testing.B) {
	b.Run("conns=8", func(b *testing.B) { sockets(b, 8, "reads/s", (*senders).rate) })
	b.Run("conns=1", func(b *testing.B) { sockets(b, 1, "µs", (*senders).latency) })
}

func sockets(b *testing.B, conns int, unit string, turn func(*senders) float64) {
	w, t, request := reader(b)
	var c contest
	for _, p := range []struct{ name, socket string }{
		{"agent", t.socket()},
		{"nginx", nginx(b, w.door())},
		{"haproxy", haproxy(b, w.door())},
		{"reverseproxy", reverseProxy(b, w.door())},
		{"door", w.door()},
	} {
		if p.socket != "" {
			all := dialAll(b, conns, p.socket, request)
			c.add(p.name, func() float64 { return turn(all) })
		}
	}
	for b.Loop() {
		c.run(rounds)
	}
	c.report(b, unit)
	c.ratio(b, "agent", "nginx")
	c.ratio(b, "agent", "haproxy")
}
