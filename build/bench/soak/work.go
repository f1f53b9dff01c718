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

// within bounds what is done on one connection. Nothing here takes longer when all is well.
const within = 40 * time.Second

// errShort is of a connection that ended in order, before all had come that was to come.
var errShort = errors.New("ended in order with bytes missing")

// A work is a kind of thing that clients do, with its share of all.
type work struct {
	name  string
	share int // of 100
	do    func(context.Context, client) error
	// refused says that the target refuses, which is what must be found.
	refused bool
	// leaves says that the client does not stay to see what comes of it.
	leaves bool
}

// works are all kinds.
var works = []work{
	{name: "short request", share: 52, do: shortRequest},
	{name: "upload", share: 8, do: uploads},
	{name: "download", share: 10, do: downloads},
	{name: "half-close", share: 8, do: halfClose},
	{name: "long echo", share: 4, do: longEcho},
	{name: "refused port", share: 8, do: refusedPort, refused: true},
	{name: "client that leaves", share: 10, do: leave, leaves: true},
}

// drawWork is one of works, by their shares.
func drawWork() *work {
	at := rand.IntN(100)
	for i := range works {
		if at -= works[i].share; at < 0 {
			return &works[i]
		}
	}
	return &works[0]
}

// A client is what one connection is made with.
type client struct {
	id   uint64
	way  way.Way
	open string // the address of the programs
	shut string // the address of a port where nobody listens
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

// expect reads the text, and nothing else.
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

// ending gives the end of what should have gone on a name of its own.
func ending(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errShort
	}
	return err
}

// expectEnd sees that the end is in order and that nothing comes before it.
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

// errAccepted is of a port where nobody listens, and errLate of one whose refusal came after the client was told that it
// is connected: then the connection is reset.
var (
	errAccepted = errors.New("a port where nobody listens was connected")
	errLate     = errors.New("the refusal came late")
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

// leave goes away at some point: before the proxy has answered, with a request under way, in the middle of a transfer;
// in order or with a reset. What it finds until then does not matter.
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

// sleep is a stretch of time in which others work.
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
