// Package uds listens on and dials Unix sockets the way secrets deserve: a
// socket has its mode and owner before anybody can see it, a socket that
// somebody listens on is never taken away from them, and a path too long for
// the kernel is served all the same.
//
// # What it refuses
//
// [Listen] does not unlink a live socket, nor one it may not connect to, nor
// anything that is not a socket. It does not widen a mode when an owner cannot
// be set. It does not mask a failure by falling back to another place without
// saying so: [Listener.DialPath] names the place.
//
// # What the caller must still check
//
// Who is at the other end: [PeerCred] tells, [ConnContext] keeps the answer
// with an HTTP connection. Who owns the directory that the socket is in:
// whoever can write to it can put a socket of their own in place of ours.
//
// # Windows
//
// Unix sockets came with build 17063; before that every call fails with an
// error that says so and matches [errors.ErrUnsupported]. In place of a mode
// a socket gets a protected DACL, and there are no owners to give it to.
package uds
