package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"fairlead/proxy/http1"
	"fairlead/proxy/stream"
)

// errUpgrade is returned in place of a response with 101 Switching Protocols. Otherwise httputil would copy the
// connection itself: it would lose what the client has sent ahead, count no bytes, and turn a cut connection into an
// orderly end.
var errUpgrade = errors.New("the connection becomes a tunnel")

// An upgrade is a plain-HTTP request that its target answered with 101 Switching Protocols (RFC 9110 section 15.2.2),
// usually for a WebSocket. Its connection continues as a tunnel, with the record of the request.
type upgrade struct {
	record  *record
	handler Handler
	target  *httpTargetConn
	body    io.Reader // the target, with what net/http has read ahead
	head    []byte    // the response that the client gets
}

// becomeTunnel hands the client and the target of an upgraded request over to a tunnel.
func (x *exchange) becomeTunnel(w http.ResponseWriter) error {
	response, target := x.upgrade, x.dialled.Load()
	if target == nil {
		_ = response.Body.Close()
		return fmt.Errorf("%s switched protocols on no connection", x.target)
	}
	http1.Disown(response.Header)
	http1.AddVia(response.Header, response.ProtoMajor, response.ProtoMinor)
	if x.site != nil {
		x.site.fromSite(response.Header)
	}
	var head bytes.Buffer
	answer := http.Response{StatusCode: response.StatusCode, ProtoMajor: 1, ProtoMinor: 1, Header: response.Header}
	if err := answer.Write(&head); err != nil {
		return fmt.Errorf("write the head of a response: %w", err)
	}
	early, err := x.client.takeOver(w)
	if err != nil {
		return err
	}
	x.over = true
	target.single.Store(false)
	x.client.release(&request{
		protocol: HTTP,
		target:   x.target,
		early:    early,
		upgraded: &upgrade{record: x.record, handler: x.route.handler(x.record.config), target: target, body: response.Body, head: head.Bytes()},
	})
	return nil
}

// serveUpgrade passes on the answer to an upgraded request. It returns true if it has handed the connection over to a
// handler, which will end it.
func (c *connection) serveUpgrade(client net.Conn, asked *request) (handedOver bool) {
	u := asked.upgraded
	if _, err := client.Write(u.head); err != nil {
		stream.Reset(u.target)
		u.record.finish(nil) // the client broke off
		return false
	}
	u.record.connected()
	target := upgradedTarget{httpTargetConn: u.target, body: u.body} // which counts its own bytes
	c.handOver(u.record, u.handler, Flow{Client: client, Target: target, Early: asked.early}, u.record.finish)
	return true
}

// An upgradedTarget is a connection to a target, with what net/http has read ahead.
type upgradedTarget struct {
	*httpTargetConn
	body io.Reader
}

func (t upgradedTarget) Read(p []byte) (int, error) { return t.body.Read(p) }
