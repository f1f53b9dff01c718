// Package proxy serves SOCKS (4, 4A, 5) and HTTP on one listener and routes each connection by its rules. It does not
// know Kubernetes, resolves no names, and does not listen by itself: its caller provides the listeners, the Dialers
// that lead into a cluster, and the sentences that explain a failure to a client.
//
// The path of a connection:
//
//  1. server.go: accepted
//  2. connection.go: checked for the user at its other end (package peer), counted (package admission, which also bounds
//     what clients cost until they are admitted, after 4), and owned until it is closed
//  3. sniff.go: the first byte tells SOCKS4, SOCKS5, HTTP and TLS apart; anything else is closed
//  4. socks.go, http.go: the handshake (packages socks and http1), up to the client's request but without the answer;
//     the password, if one is required (credentials.go)
//  5. package hostport: the host and port asked for, checked; a name stays a name
//  6. route.go: the first rule that matches returns a Dialer, which may know what the rule found out about the target
//  7. tunnel.go: dial, while stream.WatchClient reads ahead and notices a client that leaves; then the answer
//  8. handler.go: what carries the connection from now on: relay.go, unless its rule has another Handler. The relay
//     copies bytes both ways, passes half-closes on, and resets both sides if the connection is cut
//
// From 5 on, record.go reports what happens as the events of event.go, and traffic.go counts the bytes. A connection
// whose target is known without a handshake begins after 5: see ServeTarget in server.go; its client may be waiting in its
// connect for the answer (pending.go). A listener may stand for one web server (site.go), or take one language alone.
//
// A failure is reported to the client with the codes of answer.go.
//
// HTTP requests are read by net/http, but one at a time and only after requestreader.go has read them, so that package
// http1 can refuse what can be read in more than one way. A CONNECT continues at 5. A plain-HTTP request has a path of
// its own: forward.go finds its route and refuses what a page of another origin asks for (package browser).
// transport.go sends it over the connections that httptarget.go keeps for its client, and sends it once more if there
// was no answer; badresponse.go handles the answers that cannot be passed on. upgrade.go takes a WebSocket to 8.
// http.go answers a request to the proxy itself.
//
// config.go says what a Dialer must do. Package direct has the Dialer for hosts outside, which dials from this machine
// or through the forward proxy that this machine is configured to use. Package dialtest tests that a Dialer does it.
package proxy
