package portforward

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"fairlead/kube/fault"
)

// An API server that ends a TLS handshake does not end the connection for which the session was.
func TestAFailedSessionIsNoOrderlyEnd(t *testing.T) {
	dial := fmt.Errorf("dial: %w", &fault.Unreachable{Server: "127.0.0.1:6443", Err: fmt.Errorf("TLS: %w", io.EOF)})
	var c connState
	for range 2 {
		err := c.fail(dial)
		if errors.Is(err, io.EOF) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v is an orderly end", err)
		}
		if !errors.As(err, new(*fault.Unreachable)) || err.Error() != dial.Error() || !fault.Ended(err) {
			t.Errorf("%v does not say why", err)
		}
	}
	if err := new(connState).fail(io.ErrClosedPipe); !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("another error becomes %v", err)
	}
}
