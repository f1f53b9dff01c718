// Package portforward carries TCP connections to ports of Pods, through the API server's pods/portforward. It resolves
// no names and chooses no endpoints: callers pass Pods, which it tries in order.
//
// The path of a connection:
//
//	forwarder.go  Dial: which of the caller's endpoints come first and last, and a session with the first one's Pod
//	targets.go    which targets answered, refused or cut connections, and which Pods come first in a rollout
//	withdraw.go   which Pods come last, and keep no session
//	pool.go       the sessions of all Pods, and what they share
//	pod.go        the sessions of one Pod: one connection each, a few ahead of demand, shared when there are no more
//	session.go    one session: whether it can carry another connection
//	retire.go     how a session gets no more connections, and ends
//	housekeep.go  what is due while no connection asks for it: pings, spare connections, credentials
//	upgrade.go    a connection to the API server that is upgraded to SPDY, or to SPDY in a WebSocket
//	route.go      the route to the API server: proxies, TLS, credentials
//	answer.go     what an answer in place of the upgrade means
//	unbound.go    connections to the API server that are ready for a new Pod
//	conn.go       a connection, and its half-close
//	opening.go    opening it with its first bytes, at the next endpoint if the last one failed
//	confirm.go    whether the target is connected
//	read.go       the reader
//	write.go      the writer, what it keeps to send again, and until when
//	attempt.go    one attempt of a connection at one endpoint
//	health.go     whether the session and the Pod of an attempt are alive
//	runtime.go    what the container runtime reports when it cannot connect
//
// Below the limits on sessions no connection can hold up another: each has a TCP connection of its own as far as the
// container runtime. The exceptions, sharing in a burst and above the limits, are in pod.go.
package portforward
