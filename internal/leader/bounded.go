package leader

import (
	"net"
	"sync"
)

// maxOperators bounds the connections of the operators' listener. Anybody on
// the machine, or beyond it, can open them and be silent; without a bound they
// would use up the descriptors that agents and the store need.
const maxOperators = 256

// boundedListener accepts a connection only when there is room for it. Until
// then those that wait to be accepted cost the kernel's backlog and nothing here.
type boundedListener struct {
	net.Listener
	room      chan struct{} // holds one element for every connection
	closed    chan struct{}
	closeOnce sync.Once
}

func bounded(ln net.Listener, most int) net.Listener {
	return &boundedListener{Listener: ln, room: make(chan struct{}, most), closed: make(chan struct{})}
}

func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.room <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &boundedConn{Conn: conn, leave: sync.OnceFunc(func() { <-l.room })}, nil
}

func (l *boundedListener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type boundedConn struct {
	net.Conn
	leave func()
}

func (c *boundedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
