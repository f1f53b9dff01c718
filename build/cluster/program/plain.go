package program

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"time"
)

func echo(_ context.Context, conn net.Conn) {
	// The copy normally ends because the client closes the connection, so errors do not matter.
	_, _ = io.Copy(conn, conn)
}

// sink reads to the end and discards everything; the kubelet counts the bytes.
func sink(_ context.Context, conn net.Conn) {
	_, _ = io.Copy(io.Discard, conn)
}

func source(count int64) behaviour {
	return func(_ context.Context, conn net.Conn) {
		_, _ = writePattern(conn, count)
	}
}

func greetsFirst(self Self) behaviour {
	return func(ctx context.Context, conn net.Conn) {
		if _, err := fmt.Fprintf(conn, "220 %s ready\r\n", self); err == nil {
			echo(ctx, conn)
		}
	}
}

// answersAfterEOF answers only after the client has half-closed the connection.
func answersAfterEOF(self Self) behaviour {
	return func(_ context.Context, conn net.Conn) {
		sum := sha256.New()
		count, err := io.Copy(sum, conn)
		if err != nil {
			return
		}
		_, _ = fmt.Fprintf(conn, "%s read %d bytes sha256 %x\n", self, count, sum.Sum(nil))
	}
}

// fiveLines writes five lines, one after each pause, whatever the client does.
func fiveLines(self Self, pause time.Duration) behaviour {
	return func(ctx context.Context, conn net.Conn) {
		writeLines(ctx, conn, self, pause)
	}
}

func writeLines(ctx context.Context, w io.Writer, self Self, pause time.Duration) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for i := 1; i <= 5; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if _, err := fmt.Fprintf(w, "line %d of 5 from %s\n", i, self); err != nil {
			return
		}
	}
}

func neverReads(ctx context.Context, _ net.Conn) { <-ctx.Done() }

// resets closes the connection after it has read the client's first byte. Because there are unread bytes, the kernel
// resets the connection; the client must send at least two bytes at once.
func resets(_ context.Context, conn net.Conn) {
	_, _ = conn.Read(make([]byte, 1))
}

func closesFirst(self Self) behaviour {
	return func(_ context.Context, conn net.Conn) {
		_, _ = fmt.Fprintf(conn, "goodbye from %s\n", self)
	}
}

// patternPeriod is prime, so that a lost or repeated block of any usual size shifts the pattern.
const patternPeriod = 65521

// pattern is sixteen periods long, for large writes, and computed in advance.
var pattern = newPattern()

func newPattern() []byte {
	period := make([]byte, patternPeriod)
	for i := range period {
		period[i] = byte(uint32(i) * 2654435761 >> 13)
	}
	return bytes.Repeat(period, 16)
}

// writePattern writes count bytes, the i-th of which is byte((i mod 65521) * 2654435761 >> 13) in 32-bit arithmetic.
func writePattern(w io.Writer, count int64) (int64, error) {
	var written int64
	for written < count {
		n, err := w.Write(pattern[:min(count-written, int64(len(pattern)))])
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
