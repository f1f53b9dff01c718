// Package spdy is the client's half of SPDY/3.1 as far as carrying bytes needs it: open streams, read, write, half-close,
// reset, ping. It speaks over any net.Conn and knows nothing of what the streams are for.
//
// It is made for sessions that carry one stream most of the time. A session has no goroutine and no queue of its own:
// whoever waits for bytes reads the connection, and a payload goes from there straight into that caller's buffer. When
// several streams share a session, one of the callers reads for all, and what is for another stream waits in bounded buffers.
//
// What is left out, on purpose: header blocks that the peer sends are skipped, never inflated, so a compressed bomb is
// only bytes that pass; streams opened by the peer, flow-control windows (the peers this client was made for neither
// send nor obey them), priorities, and servers.
package spdy
