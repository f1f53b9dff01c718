package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"time"

	"fairlead/build/bench/way"
)

// within bounds the work on one connection. Nothing here takes longer unless something is wrong.
const within = 40 * time.Second

// errShort is the error of a connection that ended in order with bytes missing.
var errShort = errors.New("ended in order with bytes missing")

// A work is a kind of work that clients do, with its share of all connections.
type work struct {
	name  string
	share int // percent
	do    func(context.Context, client) error
	// refused means that the target refuses, and the client must be refused.
	refused bool
	// leaves means that the client leaves without waiting for a result.
	leaves bool
}

// works lists all kinds.
var works = []work{
	{name: "short request", share: 52, do: shortRequest},
	{name: "upload", share: 8, do: uploads},
	{name: "download", share: 10, do: downloads},
	{name: "half-close", share: 8, do: halfClose},
	{name: "long echo", share: 4, do: longEcho},
	{name: "refused port", share: 8, do: refusedPort, refused: true},
	{name: "client that leaves", share: 10, do: leave, leaves: true},
}

// drawWork returns a random one of works, weighted by their shares.
func drawWork() *work {
	at := rand.IntN(100)
	for i := range works {
		if at -= works[i].share; at < 0 {
			return &works[i]
		}
	}
	return &works[0]
}

// A client makes one connection.
type client struct {
	id   uint64
	way  way.Way
	open string // the address of the programs
	shut string // the address of a port on which nothing listens
}

// begin connects and sends the request.
func (c client) begin(ctx context.Context, want string, size int) (net.Conn, error) {
	conn, err := c.way.Dial(ctx, way.Target{Address: c.open})
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if _, err := io.WriteString(conn, request{c.id, want, size}.line()); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// expect reads as many bytes as text has, and returns an error if they differ from it.
func expect(r io.Reader, text string) error {
	got := make([]byte, len(text))
	if _, err := io.ReadFull(r, got); err != nil {
		return ending(err)
	}
	if string(got) != text {
		return fmt.Errorf("%w: %q for %q", errWrong, got, text)
	}
	return nil
}

// ending returns errShort for the end of a connection that should have continued.
func ending(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errShort
	}
	return err
}

// expectEnd returns an error unless the connection ends in order without further bytes.
func expectEnd(r io.Reader) error {
	n, err := r.Read(make([]byte, 1))
	if n > 0 {
		return fmt.Errorf("%w after the end", errWrong)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func shortRequest(ctx context.Context, c client) error {
	conn, err := c.begin(ctx, wantAnswer, 0)
	if err != nil {
		return err
	}
	defer conn.Close()
	return expect(conn, request{c.id, wantAnswer, 0}.line())
}

func uploads(ctx context.Context, c client) error {
	size := 1 + rand.IntN(1<<20)
	conn, err := c.begin(ctx, wantUpload, size)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.CopyN(conn, content(c.id), int64(size)); err != nil {
		return err
	}
	return expect(conn, right)
}

func downloads(ctx context.Context, c client) error {
	size := 1 + rand.IntN(2<<20)
	conn, err := c.begin(ctx, wantDownload, size)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := check(conn, c.id, size); err != nil {
		return ending(err)
	}
	return expectEnd(conn)
}

func halfClose(ctx context.Context, c client) error {
	const lines = 4
	conn, err := c.begin(ctx, wantLate, lines)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	if err := expect(conn, strings.Repeat(request{c.id, wantLate, lines}.line(), lines)); err != nil {
		return err
	}
	return expectEnd(conn)
}

func longEcho(ctx context.Context, c client) error {
	conn, err := c.begin(ctx, wantEcho, 0)
	if err != nil {
		return err
	}
	defer conn.Close()
	for i := range 5 + rand.IntN(20) {
		message := fmt.Sprintf("%d of %d\n", i, c.id)
		if _, err := io.WriteString(conn, message); err != nil {
			return err
		}
		if err := expect(conn, message); err != nil {
			return err
		}
		if err := sleep(ctx, 300*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// errAccepted is the error of a connection to a port on which nothing listens, and errLate that of one that was reset
// because the refusal arrived after the client had been told that it is connected.
var (
	errAccepted = errors.New("connected to a port on which nothing listens")
	errLate     = errors.New("the refusal arrived late")
)

func refusedPort(ctx context.Context, c client) error {
	conn, err := c.way.Dial(ctx, way.Target{Address: c.shut})
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := conn.Read(make([]byte, 1)); errors.Is(err, syscall.ECONNRESET) {
		return errLate
	}
	return errAccepted
}

// leave closes the connection at some point: before the proxy has answered, during a request, or in the middle of a
// transfer; in order or with a reset. Results until then do not matter.
func leave(ctx context.Context, c client) error {
	if rand.IntN(4) == 0 {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(5000))*time.Microsecond)
		defer cancel()
		if conn, err := c.way.Dial(ctx, way.Target{Address: c.open}); err == nil {
			_ = conn.Close()
		}
		return nil
	}
	want := []string{wantAnswer, wantUpload, wantDownload, wantLate, wantEcho}[rand.IntN(5)]
	conn, err := c.begin(ctx, want, 8<<20)
	if err != nil {
		return nil
	}
	switch part := rand.Int64N(200 << 10); want {
	case wantUpload:
		_, _ = io.CopyN(conn, content(c.id), part)
	case wantDownload:
		_, _ = io.CopyN(io.Discard, conn, part)
	}
	if rand.IntN(2) == 0 {
		_ = conn.(*net.TCPConn).SetLinger(0)
	}
	_ = conn.Close()
	return nil
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
