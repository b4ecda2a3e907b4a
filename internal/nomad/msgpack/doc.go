// Package msgpack reads and writes the part of MessagePack that Nomad's RPC
// uses, as a stream and without reflection.
//
// A Reader takes from an answer what its caller asks for and steps over the
// rest, so an allocation that carries a whole job costs no more memory than the
// few values wanted of it. It believes no length it reads: no more is
// allocated than the caller allows for one text, nesting costs no stack, and an
// answer that is longer than its limit is refused. It refuses the byte that MessagePack leaves
// unused, and values of another type than the one asked for; nil stands for the
// zero value of every type, as Go's encoders have it.
//
// Written text is never in the formats that came with MessagePack's second
// version (str8, bin): Nomad's own writers avoid them too.
//
// The caller bounds the time that reading may take. Neither Reader nor the
// Append functions are safe for concurrent use of the same values.
package msgpack
