// Package proxy speaks SOCKS (4, 4A, 5) and HTTP on one local port and sends each connection where its rules say. It knows no
// Kubernetes, resolves no names, and listens nowhere by itself: the ways into a cluster are Dialers that its user hands
// in, and so are the sentences in which a client is told of a failure.
//
// The path of a connection:
//
//  1. server.go: accepted
//  2. connection.go: its user judged (package peer), counted (package admission, which also bounds what clients cost until
//     they are admitted, after 4), and owned until it is closed
//  3. sniff.go: the first byte tells SOCKS4, SOCKS5, HTTP and TLS apart; anything else is closed
//  4. socks.go, http.go: the handshake (packages socks and http1), up to what the client asks for and not yet its answer;
//     the password where one is wanted (credentials.go)
//  5. target.go: the host and port asked for, checked; a name stays a name
//  6. route.go: the first rule that matches hands back a Dialer, with what it has found out about the target
//  7. tunnel.go: dial, while stream.Watch reads ahead and notices a client that leaves; then the answer
//  8. handler.go: what carries the connection from now on: relay.go, unless its rule has another. That copies bytes both
//     ways, with half-closes, and resets what was cut
//
// From 5 on, record.go reports what happens, while it happens, as the events of event.go; traffic.go counts the bytes. A
// connection whose target is known without a handshake enters after 5: ServeTarget in server.go.
//
// A failure is told to the client in the codes of answer.go, over HTTP by httpanswer.go.
//
// HTTP requests are read by net/http, but one at a time and only after requestreader.go has read them, so that package http1
// refuses what can be read in more than one way. A CONNECT goes on at 5. A plain-HTTP request has a path of its own:
// forward.go finds its route and refuses what a page of another origin asks for (package browser), transport.go sends it
// on over the connections that httpclient.go keeps for its client, and once more if nobody answered; badresponse.go has the
// answers that cannot be passed on. upgrade.go brings a WebSocket back to 8. A request to the proxy itself is pages.go's.
//
// dialer.go says what a Dialer must do; package direct has the one that dials from this machine, or through the forward
// proxy that this machine is told to use; and package dialtest holds every Dialer to it.
package proxy
