package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"

	"fairlead/proxy/http1"
)

// How much is read from a client at a time, and how much is kept of what it sends while its request is served.
const (
	aheadStart = 2 << 10
	aheadLimit = 64 << 10
)

// maxChunkLine bounds the line before a chunk, and the trailer after the last.
const maxChunkLine = 4 << 10

// malformedChunk replaces a body whose end is unknown. Net/http does not read further after it.
const malformedChunk = "!\r\n"

// A requestReader is between a client and net/http, which reads the client's requests from it. It passes them on one at
// a time: each with the length that its http1.RequestHead has, and no byte of the next before net/http is done with it.
// So both agree where a request ends, and what a client sends after a request for a tunnel belongs to the tunnel.
//
// A chunked body is passed on with sizes and line ends that have only one way to be read.
type requestReader struct {
	client *httpClient
	in     []byte // read from the client, and not passed on
	out    []byte // for net/http, before anything else
	head   *http1.RequestHead
	state  bodyState
	left   int64 // of the body, or of its chunk
	cost   int   // of the head, in bytes, as long as net/http is not done with the request

	serving bool        // net/http has the head, and is not done with the request
	whole   atomic.Bool // net/http has all of the request
	broken  atomic.Bool // the request's body cannot be read
}

// bodyState is where in a body a requestReader is.
type bodyState int

const (
	noBody    bodyState = iota // between two requests
	sized                      // in a body that ends after left bytes
	chunkSize                  // before a chunk
	chunkData                  // in a chunk that ends after left bytes
	chunkEnd                   // after a chunk's data
	lost                       // nothing after it can be read
)

// Read reads requests for net/http.
func (r *requestReader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		var err error
		switch r.state {
		case noBody:
			if r.serving {
				return 0, r.await()
			}
			err = r.readHead()
		case sized, chunkData:
			return r.readData(p)
		case chunkSize:
			err = r.readChunkSize()
		case chunkEnd:
			err = r.readChunkEnd()
		case lost:
			return 0, r.discard()
		}
		if err != nil {
			return 0, err
		}
	}
	n := copy(p, r.out)
	if r.out = r.out[n:]; len(r.out) == 0 {
		r.out = nil
	}
	r.noteWhole()
	return n, nil
}

func (r *requestReader) noteWhole() { r.whole.Store(r.state == noBody && len(r.out) == 0) }

// fill reads more from the client.
func (r *requestReader) fill() error {
	if len(r.in) == 0 {
		r.in = nil
	}
	r.in = slices.Grow(r.in, aheadStart)
	n, err := r.client.Peeked.Read(r.in[len(r.in):cap(r.in)])
	r.in = r.in[:len(r.in)+n]
	r.charge()
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// skip drops what was read from the client and has been passed on.
func (r *requestReader) skip(n int) {
	if r.in = r.in[n:]; len(r.in) == 0 {
		r.in = nil // an idle client keeps no memory
	}
}

// readHead waits for the head of the next request. A client that ends its direction within a head gets an error answer.
func (r *requestReader) readHead() error {
	limited := false
	for seen := 0; ; {
		if seen == 0 {
			r.skip(len(r.in) - len(bytes.TrimLeft(r.in, "\r\n"))) // RFC 9112 2.2
		}
		end := http1.HeadEnd(r.in, seen)
		switch {
		case end > http1.MaxHeader, end == 0 && len(r.in) > http1.MaxHeader:
			r.begin(http1.Refuse(r.in, http1.ErrHeadTooLarge))
			return nil
		case end > 0:
			r.cost = http1.HeadCost(end, min(http1.MaxFields, bytes.Count(r.in[:end], []byte("\n"))))
			r.charge()
			head := http1.ParseRequest(r.in[:end])
			r.skip(end)
			r.begin(head)
			return nil
		case len(r.in) > 0 && !limited:
			limited = true
			r.client.limitHead()
		}
		seen = max(0, len(r.in)-2)
		if err := r.fill(); errors.Is(err, io.EOF) && len(r.in) > 0 {
			r.begin(http1.Refuse(r.in, http1.BadRequest("The request ends within its head.")))
			return nil
		} else if err != nil {
			return err
		}
	}
}

// begin passes on a head.
func (r *requestReader) begin(head *http1.RequestHead) {
	r.head, r.out, r.serving = head, head.Text, true
	r.whole.Store(false)
	switch {
	case head.Refused != nil:
		r.state = lost
	case head.Chunked:
		r.state = chunkSize
	case head.Length > 0:
		r.state, r.left = sized, head.Length
	default:
		r.state = noBody
	}
}

// done is called when net/http is done with the request. The next read begins another.
func (r *requestReader) done() {
	r.serving, r.cost = false, 0
	r.charge()
}

// charge records what the client's request costs, as long as the client is pending.
func (r *requestReader) charge() { r.client.conn.place.ChargeHead(r.cost + cap(r.in)) }

// readData passes on a body's data.
func (r *requestReader) readData(p []byte) (int, error) {
	p = p[:min(int64(len(p)), r.left)]
	var n int
	var err error
	if len(r.in) > 0 {
		n = copy(p, r.in)
		r.skip(n)
	} else {
		n, err = r.client.Peeked.Read(p)
	}
	if r.left -= int64(n); r.left > 0 {
		return n, err
	}
	if r.state == chunkData {
		r.state = chunkEnd
	} else {
		r.state = noBody
	}
	r.noteWhole()
	return n, nil // the next read returns the error
}

// readChunkSize passes on the line before a chunk (RFC 9112 7.1), or the last chunk with its trailer.
func (r *requestReader) readChunkSize() error {
	for {
		end := bytes.IndexByte(r.in, '\n')
		if end < 0 && len(r.in) <= maxChunkLine {
			if err := r.fill(); err != nil {
				return err
			}
			continue
		}
		size, ok := http1.ParseChunkSize(r.in[:end+1])
		switch {
		case !ok, end > maxChunkLine:
			r.lose()
			return nil
		case size == 0:
			return r.readTrailer(end + 1)
		}
		r.skip(end + 1)
		r.out = fmt.Appendf(nil, "%x\r\n", size)
		r.state, r.left = chunkData, size
		return nil
	}
}

// readChunkEnd passes on the line end after a chunk's data.
func (r *requestReader) readChunkEnd() error {
	for len(r.in) < 2 {
		if err := r.fill(); err != nil {
			return err
		}
	}
	if !bytes.HasPrefix(r.in, []byte("\r\n")) {
		r.lose()
		return nil
	}
	r.skip(2)
	r.out, r.state = []byte("\r\n"), chunkSize
	return nil
}

// readTrailer passes on the last chunk, whose line is from bytes long, and what follows it.
func (r *requestReader) readTrailer(from int) error {
	for {
		end := http1.HeadEnd(r.in, from-1)
		if end == 0 && len(r.in) <= from+maxChunkLine {
			if err := r.fill(); err != nil {
				return err
			}
			continue
		}
		if end == 0 || end > from+maxChunkLine {
			r.lose()
			return nil
		}
		fields, err := http1.ParseFields(r.in[from:end])
		if err != nil {
			r.lose()
			return nil
		}
		r.skip(end)
		r.out = []byte("0\r\n")
		for _, f := range fields {
			r.out = fmt.Appendf(r.out, "%s: %s\r\n", f.Name, f.Value)
		}
		r.out, r.state = append(r.out, "\r\n"...), noBody
		return nil
	}
}

// lose gives up reading a body. It returns no error, because net/http would take that for a client that left.
func (r *requestReader) lose() {
	r.broken.Store(true)
	r.out, r.state = []byte(malformedChunk), lost
}

// await waits, while a request is served, for its client to leave. What the client sends meanwhile is kept. A client
// that has sent something and ends its direction has not left, and one that has sent nothing is assumed to wait for the
// answer for some time. Net/http would cancel the request immediately.
func (r *requestReader) await() error {
	for len(r.in) < aheadLimit {
		err := r.fill()
		if errors.Is(err, io.EOF) && r.client.hold(len(r.in) == 0) {
			return os.ErrDeadlineExceeded
		}
		if err != nil {
			return err
		}
	}
	r.client.hold(false)
	return os.ErrDeadlineExceeded
}

// discard reads what a client still sends while its request, which cannot be read, is answered. With unread bytes, the
// end of the connection would be a reset, and the client might lose the answer.
func (r *requestReader) discard() error {
	r.in = nil
	rest := make([]byte, aheadStart)
	for r.serving {
		if _, err := r.client.Peeked.Read(rest); err != nil {
			return err
		}
	}
	return io.EOF
}

// rest returns what the client has sent after the request that is served.
func (r *requestReader) rest() []byte {
	rest := r.in
	r.in = nil
	return rest
}
