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

// A request is the first line of a connection: a unique id, what is requested, and a size.
type request struct {
	id   uint64
	want string
	size int
}

// The kinds of requests.
const (
	wantAnswer   = "answer"   // the line itself
	wantUpload   = "upload"   // reads size bytes, and answers whether they are the content of the id
	wantDownload = "download" // sends size bytes of the id's content, and ends
	wantLate     = "late"     // sends size lines with a pause before each, whatever the client does, and ends
	wantEcho     = "echo"     // sends back what it reads
)

// latePause is the pause before each line of wantLate.
const latePause = 150 * time.Millisecond

const (
	requestForm = "%d %s %d\n"
	requestMax  = 100 // bytes
	right       = "right\n"
)

func (r request) line() string { return fmt.Sprintf(requestForm, r.id, r.want, r.size) }

// content returns the infinite content of an id, the same on both sides.
func content(id uint64) io.Reader {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], id)
	return rand.NewChaCha8(seed)
}

// errWrong is the error of bytes that were not sent.
var errWrong = errors.New("wrong bytes")

// check reads size bytes and compares them with the id's content. It returns errWrong if they differ.
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

// programs is the server that all Pods connect to. It counts the requests of each id.
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

// run serves until ctx ends, and then closes open connections.
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

// times returns how often an id was requested.
func (p *programs) times(id uint64) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[id]
}

// openNow returns the number of open connections.
func (p *programs) openNow() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

// serve serves one connection. The client judges how it ended.
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
