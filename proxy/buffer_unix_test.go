//go:build unix

package proxy

import (
	"io"
	"net"
	"testing"
)

// What waits holds no buffer, and misses nothing: neither what came before it waited, nor the end.
func TestAWaitingDirectionHoldsNoBuffer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = near.Close() }()
	client := &sniffed{Conn: near, early: []byte("early")}
	h := holder{wait: waiting(client)}
	if h.wait == nil {
		t.Fatal("a TCP connection cannot be waited for")
	}
	var got []byte
	for _, sent := range []string{"", "one", "two", "three"} {
		if _, err := io.WriteString(far, sent); err != nil {
			t.Fatal(err)
		}
		if h.small != nil {
			t.Error("a buffer is held before there is something to read")
		}
		n, err := client.Read(h.next())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h.buffer[:n]...)
		h.used(n)
	}
	_ = far.Close()
	if n, err := client.Read(h.next()); n != 0 || err != io.EOF {
		t.Errorf("the end reads as %d bytes, %v", n, err)
	}
	h.giveBack()
	if string(got) != "earlyonetwothree" {
		t.Errorf("read %q", got)
	}
}
