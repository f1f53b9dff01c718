package far

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// A Program is what a client wants of the far side: the first byte that it sends.
type Program byte

// The programs. Each serves a connection until it ends.
const (
	HTTP   Program = 'G' // a short answer to each GET; the client closes
	Echo   Program = 'E' // what came, and the end when the end came
	Source Program = 'D' // bytes without end
	Sink   Program = 'U' // reads everything, says nothing
	Mute   Program = 'M' // never reads
	Late   Program = 'L' // five lines, half a second apart, whatever the client does
	Answer Program = 'A' // one line, once the client's end has come
)

// Lines is how many lines Late sends.
const Lines = 5

// serve reads which program is wanted, and lets it serve. Connections that want none are closed.
func serve(conn net.Conn) {
	defer conn.Close()
	var first [1]byte
	if _, err := io.ReadFull(conn, first[:]); err != nil {
		return
	}
	switch Program(first[0]) {
	case HTTP:
		serveHTTP(conn)
	case Echo:
		serveEcho(conn)
	case Source:
		serveSource(conn)
	case Sink:
		serveSink(conn)
	case Mute:
		serveMute()
	case Late:
		serveLate(conn)
	case Answer:
		serveAnswer(conn)
	}
}

const bufferSize = 256 << 10

// response is what HTTP answers, and what a client may count on to be the whole answer.
const response = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nhello, world\n"

// ResponseLength is the length of HTTP's answer in bytes, head and body.
const ResponseLength = len(response)

func serveHTTP(conn net.Conn) {
	reader := bufio.NewReaderSize(conn, 1024)
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		if strings.TrimSpace(string(line)) != "" {
			continue
		}
		if _, err := io.WriteString(conn, response); err != nil {
			return
		}
	}
}

func serveEcho(conn net.Conn) {
	buffer := make([]byte, 32<<10)
	// How the client went is of no interest here, nor in the programs below: the client itself says what it saw.
	_, _ = io.CopyBuffer(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}, buffer)
}

func serveSource(conn net.Conn) {
	buffer := make([]byte, bufferSize)
	for i := range buffer {
		buffer[i] = byte(i * 31 >> 3)
	}
	for {
		if _, err := conn.Write(buffer); err != nil {
			return
		}
	}
}

func serveSink(conn net.Conn) {
	buffer := make([]byte, bufferSize)
	for {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
	}
}

// serveMute keeps the connection open until the process ends: only reading would show that the client has gone.
func serveMute() { <-make(chan struct{}) }

func serveLate(conn net.Conn) {
	for i := range Lines {
		time.Sleep(500 * time.Millisecond)
		if _, err := fmt.Fprintf(conn, "line %d\n", i+1); err != nil {
			return
		}
	}
}

func serveAnswer(conn net.Conn) {
	n, err := io.Copy(io.Discard, conn)
	if err == nil {
		_, _ = fmt.Fprintf(conn, "%d bytes came\n", n)
	}
}
