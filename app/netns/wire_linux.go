package netns

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// A message is sent by the caller or by the helper, in one packet of their socket.
type message struct {
	Config *Config `json:",omitempty"` // first, to the helper
	Go     bool    `json:",omitempty"` // to the helper: start the program

	// From the helper, with the descriptors of the device and of a socket for sock_diag(7):
	IPv6     bool             `json:",omitempty"` // the device has its address of IPv6
	Hardware net.HardwareAddr `json:",omitempty"` // the device carries frames, for this address

	PID    int    `json:",omitempty"` // the program is started
	Ended  bool   `json:",omitempty"` // it has ended, with Status
	Status uint32 `json:",omitempty"`
	Step   Step   `json:",omitempty"` // failed, with the rest
	Errno  int    `json:",omitempty"`
	Text   string `json:",omitempty"`
}

// maxMessage bounds a message. The program's arguments and environment are not in it.
const maxMessage = 64 << 10

// failure returns the message for an error.
func failure(step Step, err error) message {
	m := message{Step: step, Text: err.Error()}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		m.Errno = int(errno)
	}
	return m
}

// err returns the error of a message, or nil.
func (m message) err() error {
	switch {
	case m.Step == "":
		return nil
	case m.Errno != 0:
		return &Error{Step: m.Step, Err: &reported{m.Text, syscall.Errno(m.Errno)}}
	}
	return &Error{Step: m.Step, Err: errors.New(m.Text)}
}

// reported is an error that the helper sent.
type reported struct {
	text  string
	errno syscall.Errno
}

func (e *reported) Error() string { return e.text }

func (e *reported) Unwrap() error { return e.errno }

// A wire is one end of the socket.
type wire struct{ conn *net.UnixConn }

// newWire takes over a descriptor of the socket.
func newWire(f *os.File) (wire, error) {
	defer func() { _ = f.Close() }()
	conn, err := net.FileConn(f)
	if err != nil {
		return wire{}, err
	}
	return wire{conn.(*net.UnixConn)}, nil // the socket is a Unix socket
}

// send sends a message and files.
func (w wire) send(m message, files ...*os.File) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	var rights []byte
	if len(files) > 0 {
		var fds []int
		for _, f := range files {
			fds = append(fds, int(f.Fd()))
		}
		rights = syscall.UnixRights(fds...)
	}
	_, _, err = w.conn.WriteMsgUnix(text, rights, nil)
	return err
}

// maxFiles bounds how many files come with a message.
const maxFiles = 2

// receive returns the next message, with its files. It returns io.EOF when the other side is gone.
func (w wire) receive() (m message, files []*os.File, err error) {
	text, rights := make([]byte, maxMessage), make([]byte, syscall.CmsgSpace(4*maxFiles))
	n, rightsN, _, _, err := w.conn.ReadMsgUnix(text, rights)
	switch {
	case err != nil:
		return m, nil, err
	case n == 0:
		return m, nil, io.EOF
	}
	if err := json.Unmarshal(text[:n], &m); err != nil {
		return m, nil, err
	}
	if rightsN == 0 {
		return m, nil, nil
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:rightsN])
	if err != nil || len(messages) == 0 {
		return m, nil, err
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
		err = errors.Join(err, syscall.SetNonblock(fd, true))
		files = append(files, os.NewFile(uintptr(fd), "namespace"))
	}
	return m, files, err
}
