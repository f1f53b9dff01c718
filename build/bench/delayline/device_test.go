package delayline_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"fairlead/build/bench/delayline"
	"fairlead/build/bench/namespace"
)

const insideVariable = "DELAYLINE_TEST_INSIDE"

// TestDeviceCarriesTCPNoFasterThanTheRoundTrip runs itself a second time, in a network namespace.
func TestDeviceCarriesTCPNoFasterThanTheRoundTrip(t *testing.T) {
	if os.Getenv(insideVariable) == "" {
		runInside(t)
		return
	}
	device, err := delayline.Open(1500)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- delayline.New(device).Run(ctx) }()
	port := serveEcho(t)
	for _, r := range []time.Duration{10 * time.Millisecond, 40 * time.Millisecond} {
		begun := time.Now()
		conn := dialFar(t, r, port)
		if took := time.Since(begun); took < r {
			t.Errorf("connected in %s, with a round trip of %s", took, r)
		}
		echoMuch(t, conn)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the line ended: %v", err)
	}
}

// runInside runs the current test in a network namespace, and fails if that run fails.
func runInside(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var out bytes.Buffer
	cmd, err := namespace.Start(func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=60s")
		cmd.Env = append(os.Environ(), insideVariable+"=1")
		cmd.Stdout, cmd.Stderr = &out, &out
		return cmd
	})
	if err != nil {
		t.Fatalf("the benchmark cannot run here: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("inside: %v\n%s", err, &out)
	}
}

func serveEcho(t *testing.T) uint16 {
	listener, err := net.Listen("tcp4", netip.AddrPortFrom(delayline.Home, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(conn, conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-served
	})
	return uint16(listener.Addr().(*net.TCPAddr).Port)
}

func dialFar(t *testing.T, r time.Duration, port uint16) *net.TCPConn {
	address, err := delayline.Address(r, 0)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp4", netip.AddrPortFrom(address, port).String())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(), address; got.Unmap() != want {
		t.Errorf("connected to %s, want %s", got, want)
	}
	return conn.(*net.TCPConn)
}

// echoMuch sends more than a TCP window holds, and checks that the same bytes come back.
func echoMuch(t *testing.T, conn *net.TCPConn) {
	defer conn.Close()
	const much = 16 << 20
	sent := sha256.New()
	go func() {
		source := io.TeeReader(io.LimitReader(rand.Reader, much), sent)
		_, _ = io.Copy(conn, source)
		_ = conn.CloseWrite()
	}()
	received := sha256.New()
	n, err := io.Copy(received, conn)
	if err != nil || n != much {
		t.Fatalf("%d bytes came back: %v", n, err)
	}
	if got, want := fmt.Sprintf("%x", received.Sum(nil)), fmt.Sprintf("%x", sent.Sum(nil)); got != want {
		t.Errorf("sha256 %s came back, want %s", got, want)
	}
}
