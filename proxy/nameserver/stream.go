package nameserver

import (
	"encoding/binary"
	"fmt"
	"io"
)

// readMessage reads a message from a connection, where each follows its length (RFC 1035 4.2.2). A message longer than most
// is an error.
func readMessage(r io.Reader, most int) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint16(size[:]))
	if length > most {
		return nil, fmt.Errorf("a message of %d bytes is too long", length)
	}
	message := make([]byte, length)
	_, err := io.ReadFull(r, message)
	return message, err
}

// writeMessage writes a message, of at most dns.MaxMsgSize bytes, to a connection.
func writeMessage(w io.Writer, message []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}
