// Package proxy speaks SOCKS (4, 4A, 5) and HTTP on one local port and sends each connection where its rules say. It knows no
// Kubernetes, resolves no names, and listens nowhere by itself: the ways into a cluster are Dialers that its user hands
// in, and so are the sentences in which a client is told of a failure.
//
// The path of a connection:
//
//  1. server.go, gate.go: accepted, its user judged (package peer), counted, owned until it is closed; package admission bounds what all
//     clients together cost until they are admitted, behind 3
//  2. sniff.go: the first byte tells SOCKS4, SOCKS5, HTTP and TLS (tls.go) apart; anything else is closed
//  3. socks.go with package socks, http.go: the handshake, up to what the client asks for and not yet its answer; the password
//     where one is wanted (credentials.go)
//  4. target.go: the host and port asked for, checked; a name stays a name
//  5. route.go: the first rule that matches hands back a Dialer, with what it has found out about the target
//  6. tunnel.go: dial, while stream.Watch reads ahead and notices a client that leaves; then the answer
//  7. handler.go: what carries the connection from now on: relay.go, unless its rule has another. That copies bytes both
//     ways, with half-closes, and resets what was cut
//  8. record.go, event.go: what happens to each tunnel, from 4 on, while it happens
//
// A connection whose target is known without a handshake enters behind 4: ServeTarget in server.go.
//
// A failure is told to the client in answer.go's codes, over HTTP by httpanswer.go. HTTP requests are read by net/http,
// but one at a time and only after requestreader.go has read them, so that package http1 refuses what can be read in
// more than one way. A plain-HTTP request leaves the path at 3: forward.go sends it on through net/http, with the
// target as the client wrote it, unless crossorigin.go refuses it, over the connections that httpclient.go keeps for its client, once
// more where badresponse.go says that nobody answered, with events of its own; upgrade.go brings a WebSocket back to 7. A request
// to the proxy itself is pages.go's. open.go lists what is under way, and cuts it. dialer.go says what a Dialer must
// do; package direct has the one that dials from this machine, or through the forward proxy that this machine is told to
// use; and package dialtest holds every Dialer to it.
package proxy
