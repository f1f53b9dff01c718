package spdy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"
)

func control(kind uint16, flags byte, payload ...byte) []byte {
	return append(appendControl(nil, kind, flags, len(payload)), payload...)
}

func word(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func words(v ...uint32) []byte {
	var b []byte
	for _, w := range v {
		b = append(b, word(w)...)
	}
	return b
}

// scripted returns a session whose peer sends exactly script, after a first stream (id 1) and a second (id 3) were
// opened.
func scripted(t testing.TB, script []byte) (*Session, *Stream) {
	t.Helper()
	near, far := net.Pipe()
	go func() {
		go io.Copy(io.Discard, far)
		far.Write(script) // fails if the session has ended
		far.Close()
	}()
	s := NewSession(near, Config{Buffer: 64 << 10})
	t.Cleanup(func() { s.Close(); far.Close() })
	streams, err := s.Open(nil, Request{Keep: 10, Fin: true}, Request{})
	if err != nil {
		t.Fatal(err)
	}
	return s, streams[1]
}

func TestHostileFramesEndTheSession(t *testing.T) {
	reply := control(typeSynReply, 0, word(3)...)
	cases := map[string][]byte{
		"data for a stream never opened":       append(appendData(nil, 99, 0, 1), 'x'),
		"data for an even stream":              append(appendData(nil, 2, 0, 1), 'x'),
		"data for stream 0":                    append(appendData(nil, 0, 0, 1), 'x'),
		"reply for a stream never opened":      control(typeSynReply, 0, word(99)...),
		"reset of a stream never opened":       control(typeRstStream, 0, words(99, 1)...),
		"second reply":                         append(bytes.Clone(reply), reply...),
		"a stream from the peer":               control(typeSynStream, 0, make([]byte, 10)...),
		"a control frame of 16 MiB":            appendControl(nil, typeSynReply, 0, maxLength),
		"a reply without a stream":             control(typeSynReply, 0, 0),
		"a ping of 3 bytes":                    control(typePing, 0, 0, 0, 0),
		"a ping of 5 bytes":                    control(typePing, 0, 0, 0, 0, 0, 0),
		"a reset of 4 bytes":                   control(typeRstStream, 0, word(3)...),
		"a goaway of 4 bytes":                  control(typeGoAway, 0, word(3)...),
		"settings without a count":             control(typeSettings, 0),
		"unknown type":                         control(5, 0, word(3)...),
		"type 65535":                           control(65535, 0, word(3)...),
		"another version":                      append([]byte{0x80, 2, 0, typePing, 0, 0, 0, 4}, word(2)...),
		"HTTP where SPDY was agreed":           []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"headers for a stream never opened":    control(typeHeaders, 0, word(99)...),
		"cut in the head of a frame":           appendData(nil, 3, 0, 5)[:5],
		"cut in the payload":                   append(appendData(nil, 3, 0, 5), "abc"...),
		"cut in a control frame":               control(typePing, 0, word(2)...)[:10],
		"end of the connection without a word": nil,
	}
	for name, script := range cases {
		t.Run(name, func(t *testing.T) {
			s, st := scripted(t, script)
			st.SetReadDeadline(time.Now().Add(30 * time.Second))
			_, err := io.Copy(io.Discard, readerOnly{st})
			if err == nil || errors.Is(err, errDeadline) {
				t.Fatalf("the stream ends with %v", err)
			}
			if s.Err() == nil {
				t.Fatal("the session lives on")
			}
		})
	}
}

func TestHarmlessFramesDoNotEndTheSession(t *testing.T) {
	script := bytes.Join([][]byte{
		control(typeSettings, 0, words(1, 0x04000000, 100)...),
		control(typeWindowUpdate, 0, words(3, 1<<30)...),
		control(typeSynReply, 0, append(word(3), bytes.Repeat([]byte{0xff}, 60_000)...)...), // a compressed bomb, which is never inflated
		control(typeHeaders, 0, append(word(3), "whatever"...)...),
		control(typePing, 0, word(2)...),
		control(typePing, 0, word(77)...), // an answer to nothing
		appendData(nil, 3, 0, 0),
		append(appendData(nil, 3, 0, 5), "hello"...),
		append(appendData(nil, 1, 0, 30), bytes.Repeat([]byte("x"), 30)...), // more than is kept
		append(appendData(nil, 3, flagFin, 6), " world"...),
		append(appendData(nil, 3, 0, 4), "late"...), // after the end
		control(typeRstStream, 0, words(3, 1)...),   // for an ended stream
	}, nil)
	s, st := scripted(t, script)
	got, err := io.ReadAll(readerOnly{st})
	if string(got) != "hello world" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	if text := s.streams[1]; text == nil || string(text.text) != "xxxxxxxxxx" {
		t.Errorf("kept %v", text)
	}
}

func TestResetAfterDataGivesTheDataFirst(t *testing.T) {
	_, st := scripted(t, append(append(appendData(nil, 3, 0, 5), "hello"...), control(typeRstStream, 0, words(3, Cancel)...)...))
	got, err := io.ReadAll(readerOnly{st})
	reset := new(ResetError)
	if string(got) != "hello" || !errors.As(err, &reset) || reset.Status != Cancel || !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestGoAwaySaysWhichStreamsWereNeverSeen(t *testing.T) {
	s, st := scripted(t, append(control(typeGoAway, 0, words(1, 0)...), control(typePing, 0, word(2)...)...))
	_, err := st.Read(make([]byte, 1))
	reset := new(ResetError)
	if !errors.As(err, &reset) || reset.Status != RefusedStream {
		t.Fatalf("got %v", err)
	}
	if _, err := s.Open(nil, Request{}); !errors.Is(err, ErrUnsent) {
		t.Fatalf("opens after GOAWAY: %v", err)
	}
}

// A peer that announces 16 MiB does not make the session allocate 16 MiB.
func TestAnnouncedLengthsCostNoMemory(t *testing.T) {
	before := new(runtime.MemStats)
	runtime.ReadMemStats(before)
	for range 50 {
		_, st := scripted(t, append(appendData(nil, 3, 0, maxLength), "x"...))
		if _, err := io.Copy(io.Discard, readerOnly{st}); err == nil {
			t.Fatal("a frame cut short reads as an orderly end")
		}
	}
	after := new(runtime.MemStats)
	runtime.ReadMemStats(after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 50<<20 {
		t.Errorf("%d bytes for nothing", grown)
	}
}

// A peer that sends pings and does not read the answers ends its own session, and the answers do not fill memory.
func TestPingFloodIsBounded(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	s := NewSession(near, Config{})
	defer s.Close()
	go func() {
		for id := uint32(2); ; id += 2 {
			if _, err := far.Write(appendPing(nil, id)); err != nil {
				return
			}
		}
	}()
	if err := s.Watch(time.Now().Add(time.Minute)); err == nil {
		t.Fatal("the session goes on for ever")
	}
	if n := len(s.control); n > maxControlQueue+12 {
		t.Errorf("%d bytes of answers", n)
	}
}

// FuzzFrames feeds any bytes to a session with two streams: it must end, in bounded memory, and never panic.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{})
	f.Add(append(appendData(nil, 3, flagFin, 5), "hello"...))
	f.Add(bytes.Join([][]byte{
		control(typeSynReply, 0, word(3)...), control(typePing, 0, word(2)...), control(typeSettings, 0, words(0)...),
		append(appendData(nil, 1, 0, 3), "abc"...), append(appendData(nil, 3, 0, 3), "abc"...),
		control(typeRstStream, 0, words(3, 1)...), control(typeGoAway, 0, words(3, 0)...),
	}, nil))
	f.Add(control(typeWindowUpdate, 0, words(3, 9)...))
	f.Add(appendControl(nil, typeHeaders, flagFin, 70_000))
	f.Fuzz(func(t *testing.T, script []byte) {
		s := NewSession(&replay{Reader: bytes.NewReader(script)}, Config{Buffer: 4 << 10})
		streams, err := s.Open([]byte("first"), Request{Keep: 10, Fin: true}, Request{}, Request{})
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range streams[1:] {
			n, err := io.Copy(io.Discard, readerOnly{st})
			if n > int64(len(script)) {
				t.Fatalf("%d bytes of payload in %d", n, len(script))
			}
			if err != nil && s.Err() == nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Fatalf("stream error %v, and the session lives", err)
			}
		}
		if len(streams[0].Text()) > 10 {
			t.Fatal("more kept than asked for")
		}
		for s.Err() == nil {
			for _, st := range streams {
				st.Close()
			}
			s.Watch(time.Time{})
		}
	})
}

// A replay is a connection whose peer has sent all that it sends.
type replay struct {
	*bytes.Reader
	net.Conn
}

func (c *replay) Read(p []byte) (int, error)       { return c.Reader.Read(p) }
func (c *replay) Write(p []byte) (int, error)      { return len(p), nil }
func (c *replay) Close() error                     { return nil }
func (c *replay) SetReadDeadline(time.Time) error  { return nil }
func (c *replay) SetWriteDeadline(time.Time) error { return nil }
