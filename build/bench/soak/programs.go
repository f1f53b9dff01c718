package soak

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// A request is the line by which a connection begins: its id, which is given out once, what is wanted, and how much.
type request struct {
	id   uint64
	want string
	size int
}

// What a program can be asked for.
const (
	wantAnswer   = "answer"   // the line itself
	wantUpload   = "upload"   // reads size bytes of the id's, and says whether they are
	wantDownload = "download" // sends size bytes of the id's, and ends
	wantLate     = "late"     // sends size lines with a pause before each, whatever the client does, and ends
	wantEcho     = "echo"     // sends back what comes
)

// latePause is before each line of wantLate.
const latePause = 150 * time.Millisecond

const (
	requestForm = "%d %s %d\n"
	requestMax  = 100 // bytes
	right       = "right\n"
)

func (r request) line() string { return fmt.Sprintf(requestForm, r.id, r.want, r.size) }

// content is the endless bytes of an id, the same on both sides.
func content(id uint64) io.Reader {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], id)
	return rand.NewChaCha8(seed)
}

// errWrong is of bytes that nobody sent.
var errWrong = errors.New("wrong bytes")

// check reads size bytes of the id's. The error of bytes that are others is errWrong.
func check(r io.Reader, id uint64, size int) error {
	got, want, expected := make([]byte, 32<<10), make([]byte, 32<<10), content(id)
	for size > 0 {
		n, err := r.Read(got[:min(size, len(got))])
		_, _ = io.ReadFull(expected, want[:n]) // it never ends
		if !bytes.Equal(got[:n], want[:n]) {
			return errWrong
		}
		if size -= n; err != nil && size > 0 {
			return err
		}
	}
	return nil
}

// programs is the server that all Pods are doors to. It remembers how often it saw each id.
type programs struct {
	listener net.Listener
	serving  sync.WaitGroup

	mu   sync.Mutex
	seen map[uint64]int
	open map[net.Conn]struct{}
}

func listenPrograms() (*programs, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &programs{listener: listener, seen: map[uint64]int{}, open: map[net.Conn]struct{}{}}, nil
}

func (p *programs) address() string { return p.listener.Addr().String() }

// run serves until ctx ends, and then cuts what is open.
func (p *programs) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		_ = p.listener.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		for conn := range p.open {
			_ = conn.Close()
		}
	})
	defer stop()
	defer p.serving.Wait()
	for {
		conn, err := p.listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return nil
		}
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.open[conn] = struct{}{}
		p.mu.Unlock()
		p.serving.Go(func() {
			p.serve(conn)
			p.mu.Lock()
			defer p.mu.Unlock()
			_ = conn.Close()
			delete(p.open, conn)
		})
	}
}

// times is how often an id was seen.
func (p *programs) times(id uint64) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[id]
}

// openNow is how many connections are open.
func (p *programs) openNow() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

// serve serves one connection. How it ends is for the client to judge.
func (p *programs) serve(conn net.Conn) {
	reader := bufio.NewReaderSize(conn, 32<<10)
	line, err := reader.ReadString('\n')
	var r request
	if err != nil || len(line) > requestMax {
		return
	}
	if _, err := fmt.Sscanf(line, requestForm, &r.id, &r.want, &r.size); err != nil {
		return
	}
	p.mu.Lock()
	p.seen[r.id]++
	p.mu.Unlock()
	switch r.want {
	case wantAnswer:
		if _, err := io.WriteString(conn, line); err == nil {
			_, _ = io.Copy(io.Discard, reader)
		}
	case wantUpload:
		answer := right
		if err := check(reader, r.id, r.size); errors.Is(err, errWrong) {
			answer = "wrong\n"
		} else if err != nil {
			return
		}
		if _, err := io.WriteString(conn, answer); err == nil {
			_, _ = io.Copy(io.Discard, reader)
		}
	case wantDownload:
		_, _ = io.CopyN(conn, content(r.id), int64(r.size))
	case wantLate:
		for range r.size {
			time.Sleep(latePause)
			if _, err := io.WriteString(conn, line); err != nil {
				return
			}
		}
	case wantEcho:
		_, _ = io.Copy(conn, reader)
	}
}
