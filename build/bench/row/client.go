package row

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"fairlead/build/bench/far"
	"fairlead/build/bench/way"
)

// answerWithin bounds each wait of a client. It is far longer than anything that is measured.
const answerWithin = 20 * time.Second

const request = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n"

// connect dials and sets a deadline for the connection.
func connect(ctx context.Context, w way.Way, t way.Target) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	conn, err := w.Dial(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", t.Address, err)
	}
	return conn, conn.SetDeadline(time.Now().Add(answerWithin))
}

// ask connects, sends a short request, reads the whole answer and closes the connection. It returns the time from
// before the connect to the first byte of the answer.
func ask(ctx context.Context, w way.Way, t way.Target) (time.Duration, error) {
	begun := time.Now()
	conn, err := connect(ctx, w, t)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		return 0, err
	}
	answer := make([]byte, far.ResponseLength)
	n, err := conn.Read(answer)
	first := time.Since(begun)
	if err == nil {
		_, err = io.ReadFull(conn, answer[n:])
	}
	if err != nil {
		return 0, fmt.Errorf("read the answer: %w", err)
	}
	return first, nil
}

// echo sends the message, reads it back, and returns how long that took.
func echo(conn net.Conn, message, back []byte) (time.Duration, error) {
	if err := conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, err
	}
	begun := time.Now()
	if _, err := conn.Write(message); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(conn, back[:len(message)]); err != nil {
		return 0, err
	}
	return time.Since(begun), nil
}

// beginEcho requests the echo program and checks that it answers.
func beginEcho(conn net.Conn) error {
	const hello = "hello"
	if _, err := conn.Write([]byte(string(rune(far.Echo)) + hello)); err != nil {
		return err
	}
	back := make([]byte, len(hello))
	if _, err := io.ReadFull(conn, back); err != nil {
		return err
	}
	if string(back) != hello {
		return fmt.Errorf("%q came back", back)
	}
	return nil
}

// connectAll opens n connections, several at a time, and checks that each echoes. On an error it closes them.
func connectAll(ctx context.Context, w way.Way, t way.Target, n int) ([]net.Conn, error) {
	const atOnce = 10
	conns := make([]net.Conn, n)
	errs := make(chan error, n)
	next := make(chan int)
	for range atOnce {
		go func() {
			for i := range next {
				conn, err := connect(ctx, w, t)
				if err == nil {
					conns[i] = conn
					err = beginEcho(conn)
				}
				errs <- err
			}
		}()
	}
	for i := range n {
		next <- i
	}
	close(next)
	var first error
	for range n {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	if first != nil {
		closeAll(conns)
		return nil, fmt.Errorf("open %d connections: %w", n, first)
	}
	return conns, nil
}

func closeAll(conns []net.Conn) {
	for _, conn := range conns {
		if conn != nil {
			conn.Close()
		}
	}
}
