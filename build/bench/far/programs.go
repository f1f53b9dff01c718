package far

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// A Program is a program of the far side. A client selects it with the first byte that it sends.
type Program byte

// The programs. Each serves a connection until it ends.
const (
	HTTP   Program = 'G' // a short answer to each GET; the client closes
	Echo   Program = 'E' // sends back what it reads, and half-closes after the client
	Source Program = 'D' // sends bytes without end
	Sink   Program = 'U' // reads everything, sends nothing
	Mute   Program = 'M' // never reads
	Late   Program = 'L' // five lines, half a second apart, whatever the client does
	Answer Program = 'A' // one line after the client's half-close
)

// Lines is the number of lines that Late sends.
const Lines = 5

// serve runs the program that the first byte selects. It closes connections that select none.
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

// response is the whole answer of HTTP.
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
	// Errors do not matter here, nor in the programs below: the client reports what it saw.
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

// serveMute keeps the connection open until the process ends: it would learn of the client's end only by reading.
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
