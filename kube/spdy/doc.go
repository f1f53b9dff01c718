// Package spdy is the client's half of SPDY/3.1 as far as carrying bytes needs it: opening streams, reading, writing,
// half-closing, resets and pings. It works over any net.Conn and does not depend on what the streams are for.
//
// It is made for sessions that carry one stream most of the time. A session has no goroutine and no queue of its own:
// the caller that waits for bytes reads the connection, and a payload goes from there straight into that caller's
// buffer. If several streams share a session, one of the callers reads for all of them, and what is for another stream
// waits in bounded buffers.
//
// Omitted on purpose are the header blocks that the peer sends, which are skipped and never inflated, so that a
// compressed bomb is only bytes that pass; streams opened by the peer; flow-control windows, which the peers of this
// client neither send nor obey; priorities; and servers.
package spdy
