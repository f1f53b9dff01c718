package portforward

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"syscall"
	"testing"

	"fairlead/kube/fault"
)

// That a Pod was replaced may be noticed only when the connection is requested, long after the dial that named it.
func TestEndpointsAreRenewedBeforeTheClientHears(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(nil)
	for _, early := range []string{"", "early"} {
		var asked atomic.Int32
		raw, err := f.Dial(t.Context(), []Endpoint{{Namespace: "ns", Pod: "old", UID: early, Port: 9}}, func(_ context.Context, cause error) []Endpoint {
			asked.Add(1)
			if !errors.Is(cause, syscall.ECONNREFUSED) {
				t.Errorf("cause: %v", cause)
			}
			return at(7)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		c := raw.(tunnel)
		if _, err := io.WriteString(c, early); err != nil {
			t.Fatal(err)
		}
		if err := c.Opened(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, len(early))
		if _, err := io.ReadFull(c, b); err != nil || string(b) != early {
			t.Fatalf("%q, %v", b, err)
		}
		echoes(t, c, "hello")
		if n := asked.Load(); n != 1 {
			t.Errorf("endpoints were renewed %d times", n)
		}
	}
}

func TestEndpointsAreRenewedOnce(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(patient)
	var asked atomic.Int32
	c, err := f.Dial(t.Context(), at(9), func(context.Context, error) []Endpoint {
		asked.Add(1)
		return at(10)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.(tunnel).Opened(t.Context())
	if refused, ok := errors.AsType[*fault.Refused](err); !ok || refused.Port != 10 || asked.Load() != 1 {
		t.Errorf("%v after %d renewals", err, asked.Load())
	}
}

// Bytes that a program may have seen are not sent to another one.
func TestEndpointsAreNotRenewedForWhatWasSeen(t *testing.T) {
	w := newWorld(t)
	f := w.forwarder(nil)
	raw, err := f.Dial(t.Context(), at(7), func(context.Context, error) []Endpoint {
		t.Error("endpoints were renewed")
		return at(7)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	c := raw.(tunnel)
	if err := c.Opened(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	w.cut()
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
}
