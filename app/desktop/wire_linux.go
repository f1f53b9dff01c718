package desktop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// waylandWire is the part of the Wayland wire protocol that the clipboard needs: messages with an object's number, a
// code, a length and arguments, in the machine's byte order.
type waylandWire struct {
	conn  *net.UnixConn
	in    []byte
	files []int // received, and not yet taken by an event
	err   error // the last error of sending a request
}

// maxMessage is the greatest length of a message.
const maxMessage = 1 << 16

type waylandEvent struct {
	object uint32
	code   uint16
	body   []byte
}

func arg(number uint32) []byte { return binary.NativeEndian.AppendUint32(nil, number) }

// argText encodes a string with its length and a final zero byte, padded to whole words.
func argText(text string) []byte {
	b := append(arg(uint32(len(text)+1)), text...)
	return append(b, make([]byte, 4-len(text)%4)...)
}

// request sends a request. The next event returns its error.
func (w *waylandWire) request(object uint32, code uint16, arguments ...[]byte) {
	message := append(arg(object), 0, 0, 0, 0)
	for _, a := range arguments {
		message = append(message, a...)
	}
	binary.NativeEndian.PutUint32(message[4:], uint32(len(message))<<16|uint32(code))
	if _, err := w.conn.Write(message); err != nil && w.err == nil {
		w.err = err
	}
}

// roundTrip passes on events until the response to a sync comes.
func (w *waylandWire) roundTrip(sync uint32, hear func(waylandEvent)) error {
	for {
		e, err := w.next()
		switch {
		case err != nil:
			return err
		case e.object == sync:
			return nil
		case e.object == wlSource && e.code == 1:
			return errTaken
		}
		hear(e)
	}
}

// next waits for an event. A protocol error, which ends the connection, is returned as an error.
func (w *waylandWire) next() (waylandEvent, error) {
	if w.err != nil {
		return waylandEvent{}, w.err
	}
	for {
		if len(w.in) >= 8 {
			word := binary.NativeEndian.Uint32(w.in[4:])
			length := int(word >> 16)
			if length < 8 {
				return waylandEvent{}, errors.New("the compositor sent an invalid message")
			}
			if len(w.in) >= length {
				e := waylandEvent{binary.NativeEndian.Uint32(w.in), uint16(word), w.in[8:length:length]}
				w.in = w.in[length:]
				if e.object == wlDisplay && e.code == 0 { // error: object, code, text
					e.uint()
					e.uint()
					return e, fmt.Errorf("the compositor refused: %.200q", e.text())
				}
				return e, nil
			}
		}
		if err := w.read(); err != nil {
			return waylandEvent{}, err
		}
	}
}

func (w *waylandWire) read() error {
	buffer, control := make([]byte, maxMessage), make([]byte, syscall.CmsgSpace(28*4)) // a message carries at most 28 files
	n, controls, _, _, err := w.conn.ReadMsgUnix(buffer, control)
	if err != nil {
		return err
	}
	if n == 0 {
		return errors.New("the compositor has gone")
	}
	w.in = append(w.in, buffer[:n]...)
	messages, err := syscall.ParseSocketControlMessage(control[:controls])
	if err != nil {
		return err
	}
	for _, m := range messages {
		if files, err := syscall.ParseUnixRights(&m); err == nil {
			w.files = append(w.files, files...)
		}
	}
	return nil
}

// file returns the file that came with the event, or nil.
func (w *waylandWire) file() *os.File {
	if len(w.files) == 0 {
		return nil
	}
	number := w.files[0]
	w.files = w.files[1:]
	if err := syscall.SetNonblock(number, true); err != nil { // needed for the deadline
		_ = syscall.Close(number)
		return nil
	}
	return os.NewFile(uintptr(number), "paste")
}

// closeFiles closes the files that no event took.
func (w *waylandWire) closeFiles() {
	for file := w.file(); file != nil; file = w.file() {
		_ = file.Close()
	}
}

// uint reads a number from the event, or 0 if none is left.
func (e *waylandEvent) uint() uint32 {
	if len(e.body) < 4 {
		return 0
	}
	number := binary.NativeEndian.Uint32(e.body)
	e.body = e.body[4:]
	return number
}

// text reads a string from the event.
func (e *waylandEvent) text() string {
	length := int(e.uint())
	if length < 1 || length > len(e.body) {
		return ""
	}
	text := string(e.body[:length-1])
	e.body = e.body[min(len(e.body), (length+3)/4*4):]
	return text
}
