//go:build unix

package stream

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
	client := &Peeked{Conn: near, early: []byte("early")}
	b := NewBuffer(client)
	if b.wait == nil {
		t.Fatal("a TCP connection cannot be waited for")
	}
	var got []byte
	for _, sent := range []string{"", "one", "two", "three"} {
		if _, err := io.WriteString(far, sent); err != nil {
			t.Fatal(err)
		}
		if b.small != nil {
			t.Error("a buffer is held before there is something to read")
		}
		n, err := client.Read(b.Next())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b.buffer[:n]...)
		b.Used(n)
	}
	_ = far.Close()
	if n, err := client.Read(b.Next()); n != 0 || err != io.EOF {
		t.Errorf("the end reads as %d bytes, %v", n, err)
	}
	b.Release()
	if string(got) != "earlyonetwothree" {
		t.Errorf("read %q", got)
	}
}
