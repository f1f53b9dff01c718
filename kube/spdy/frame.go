package spdy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The frame types of SPDY/3.1, section 2.6.
const (
	typeSynStream    = 1
	typeSynReply     = 2
	typeRstStream    = 3
	typeSettings     = 4
	typePing         = 6
	typeGoAway       = 7
	typeHeaders      = 8
	typeWindowUpdate = 9
)

const (
	version   = 3
	flagFin   = 0x01
	headSize  = 8
	maxLength = 1<<24 - 1
	// maxControl limits the length of a control frame. The peer's header blocks are a few hundred bytes.
	maxControl = 64 << 10
)

// The RST_STREAM status codes of SPDY/3.1, section 2.6.3, that callers distinguish.
const (
	ProtocolError uint32 = 1
	RefusedStream uint32 = 3
	Cancel        uint32 = 5
)

// ErrProtocol is wrapped by every error about a frame that SPDY/3.1 does not allow at that place.
var ErrProtocol = errors.New("SPDY protocol error")

func violation(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// A Header is one name and value of a stream's header block. Names are lower case.
type Header struct{ Name, Value string }

func appendControl(b []byte, kind uint16, flags byte, length int) []byte {
	b = binary.BigEndian.AppendUint16(b, 0x8000|version)
	b = binary.BigEndian.AppendUint16(b, kind)
	return binary.BigEndian.AppendUint32(b, uint32(flags)<<24|uint32(length))
}

func appendData(b []byte, id uint32, flags byte, length int) []byte {
	b = binary.BigEndian.AppendUint32(b, id)
	return binary.BigEndian.AppendUint32(b, uint32(flags)<<24|uint32(length))
}

func appendPing(b []byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32(appendControl(b, typePing, 0, 4), id)
}

// appendSynStream appends a SYN_STREAM frame. first reports whether its header block is the first of the session: the
// blocks of a session are one zlib stream (SPDY/3.1, section 2.6.10).
func appendSynStream(b []byte, id uint32, flags byte, first bool, headers []Header) []byte {
	start := len(b)
	b = appendControl(b, typeSynStream, flags, 0)
	b = binary.BigEndian.AppendUint32(b, id)
	b = append(b, 0, 0, 0, 0, 0, 0) // associated stream, priority, credential slot
	b = appendHeaderBlock(b, first, headers)
	binary.BigEndian.PutUint32(b[start+4:], uint32(flags)<<24|uint32(len(b)-start-headSize))
	return b
}

// appendHeaderBlock appends names and values as a zlib stream of stored blocks (RFC 1950, RFC 1951 section 3.2.4): a
// compressor would cost hundreds of kilobytes a session to save a few dozen bytes.
func appendHeaderBlock(b []byte, first bool, headers []Header) []byte {
	if first {
		// CMF, FLG with FDICT, and the Adler-32 of the dictionary of SPDY/3, which a reader needs even if
		// no byte refers to it.
		b = append(b, 0x78, 0x20, 0xe3, 0xc6, 0xa7, 0xc2)
	}
	length := 4
	for _, h := range headers {
		length += 8 + len(h.Name) + len(h.Value)
	}
	b = append(b, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(length))
	b = binary.LittleEndian.AppendUint16(b, ^uint16(length))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	for _, h := range headers {
		b = binary.BigEndian.AppendUint32(b, uint32(len(h.Name)))
		b = append(b, h.Name...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(h.Value)))
		b = append(b, h.Value...)
	}
	// An empty stored block ends the flush: without it inflaters hold the bytes back.
	return append(b, 0, 0, 0, 0xff, 0xff)
}

// A frame is the head of one frame and, for a control frame, the first eight bytes of its payload. A client needs no
// more of any of them. It can be read in pieces: after a deadline the next read continues where the last one stopped.
type frame struct {
	head       [headSize]byte
	headRead   int // bytes of head
	fields     [8]byte
	fieldsRead int    // bytes of fields
	left       uint32 // bytes of payload not yet read
	target     *Stream
}

func (f *frame) isComplete() bool { return f.headRead == headSize }
func (f *frame) isControl() bool  { return f.head[0]&0x80 != 0 }
func (f *frame) kind() uint16     { return binary.BigEndian.Uint16(f.head[2:]) }
func (f *frame) flags() byte      { return f.head[4] }
func (f *frame) length() uint32   { return binary.BigEndian.Uint32(f.head[4:]) & maxLength }
func (f *frame) id() uint32       { return binary.BigEndian.Uint32(f.head[:]) & 0x7fffffff }
func (f *frame) field(i int) uint32 {
	return binary.BigEndian.Uint32(f.fields[4*i:])
}
func (f *frame) reset() { f.headRead, f.fieldsRead, f.left, f.target = 0, 0, 0, nil }

// readHead reads the head, and no byte beyond it.
func (f *frame) readHead(r io.Reader) error {
	for f.headRead < headSize {
		n, err := r.Read(f.head[f.headRead:])
		f.headRead += n
		if err != nil && f.headRead < headSize {
			return unexpectedEOF(err, f.headRead > 0)
		}
	}
	f.left = f.length()
	return nil
}

// readFields reads a control frame's payload: its first bytes into fields, and the rest into scratch, where it is lost.
func (f *frame) readFields(r io.Reader, scratch []byte) error {
	for f.left > 0 {
		into := scratch
		if f.fieldsRead < len(f.fields) {
			into = f.fields[f.fieldsRead:]
		}
		n, err := r.Read(into[:min(len(into), int(f.left))])
		if f.fieldsRead < len(f.fields) {
			f.fieldsRead += n
		}
		f.left -= uint32(n)
		if err != nil && f.left > 0 {
			return unexpectedEOF(err, true)
		}
	}
	return nil
}

// check returns an error if the head of a control frame is not allowed.
func (f *frame) check() error {
	if v := binary.BigEndian.Uint16(f.head[:]) & 0x7fff; v != version {
		return violation("control frame of version %d", v)
	}
	length := f.length()
	if length > maxControl {
		return violation("control frame of type %d with %d bytes", f.kind(), length)
	}
	exact, least := uint32(0), uint32(0)
	switch f.kind() {
	case typeSynReply, typeHeaders, typeSettings:
		least = 4
	case typePing:
		exact = 4
	case typeRstStream, typeGoAway, typeWindowUpdate:
		exact = 8
	case typeSynStream:
		return violation("the peer opens a stream")
	default:
		return violation("control frame of unknown type %d", f.kind())
	}
	if length < least || exact != 0 && length != exact {
		return violation("control frame of type %d with %d bytes", f.kind(), length)
	}
	return nil
}

// unexpectedEOF returns io.ErrUnexpectedEOF in place of io.EOF inside a frame.
func unexpectedEOF(err error, inside bool) error {
	if errors.Is(err, io.EOF) && inside {
		return io.ErrUnexpectedEOF
	}
	return err
}
