// Package portforward carries TCP connections to ports of Pods, through the API server's pods/portforward. It resolves no
// names and chooses no endpoints: it is told Pods and tries them in order.
//
// The path of a connection:
//
//	forwarder.go  Dial: which endpoint, and a session with its Pod
//	rollout.go    which Pods come first while others are replaced
//	withdraw.go   which come last, and keep no session
//	pool.go       the sessions of a Pod: one connection each, a few ahead of demand, shared when there are no more
//	session.go    one session: whether it is fit for another connection, and what becomes of it after one
//	upgrade.go    a connection to the API server that is upgraded to SPDY, or to SPDY in a WebSocket
//	route.go      the way to the API server: proxies, TLS, credentials
//	conn.go       a connection, half-closed with patience
//	opening.go    opened with its first bytes, at the next endpoint if the last one failed
//	confirm.go    answered by guess or by proof
//	read.go       what comes, and whether the session is alive that brings it
//	write.go      what goes, kept while it may have to go once more (settle.go: until when)
//	attempt.go    one try of a connection at one endpoint
//	runtime.go    what the container runtime says when it cannot connect
//
// Below the caps no connection can hold up another: each has a TCP connection of its own all the way to the container
// runtime. The exceptions, sharing in a burst and above the caps, are pool.go's.
package portforward
