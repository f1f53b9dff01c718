// Package jsonstream reads what an API server sends. An answer is JSON of any size that may have been made by any
// server, so it is read as a stream: the caller reads the fields that it needs, all others are skipped without being
// held in memory, and what is kept is counted. An answer that exceeds a limit ends with a *fault.Oversized.
//
//	r := jsonstream.NewReader(body, bounds, nil)
//	defer r.Close()
//	r.Object(func(key string) {
//		switch key {
//		case "kind":
//			kind = r.Text(253)
//		case "items":
//			names = jsonstream.List(r, func() string { return r.Text(253) })
//		}
//	})
//	if err := r.End(); err != nil { … }
//
// After the first error, every call returns at once with a zero value.
package jsonstream

import (
	"bufio"
	"errors"
	"io"
	"reflect"
	"strconv"
	"sync/atomic"

	"fairlead/kube/fault"
)

// A Bounds has the limits of one answer.
type Bounds struct {
	Bytes    int64 // bytes that are read, after decompression
	Elements int   // elements of one list
	Memory   int64 // bytes that are kept
}

// maxDepth limits how deep lists and objects are nested. An API server's answers have some 20 levels.
const maxDepth = 100

// ErrSyntax means that an answer is not JSON, or a field has another type than in the Kubernetes API.
var ErrSyntax = errors.New("not an answer of the Kubernetes API")

// A Budget limits the memory that several answers keep together while they are read.
type Budget struct {
	most int64
	used atomic.Int64
}

// NewBudget returns a Budget of a number of bytes.
func NewBudget(bytes int64) *Budget { return &Budget{most: bytes} }

// A Reader reads one answer, or one after the other of a stream. It is for one goroutine.
type Reader struct {
	scanner
	bytes  limitedReader
	bounds Bounds
	budget *Budget // may be nil
	kept   int64   // since the last Next
	depth  int
	values int // values that were begun, so that Object and Array know whether their caller read one
}

// NewReader returns a Reader of body, which it does not close. Close returns what the Reader took of budget, which may
// be nil.
func NewReader(body io.Reader, bounds Bounds, budget *Budget) *Reader {
	r := &Reader{bounds: bounds, budget: budget}
	r.bytes = limitedReader{source: body, bound: bounds.Bytes, left: bounds.Bytes}
	r.source = bufio.NewReader(&r.bytes)
	return r
}

// Close ends the reading.
func (r *Reader) Close() {
	r.release()
	r.fail(io.ErrClosedPipe)
}

func (r *Reader) release() {
	if r.budget != nil {
		r.budget.used.Add(-r.kept)
	}
	r.kept = 0
}

// Err returns the first error.
func (r *Reader) Err() error { return r.err }

// Kept returns how many bytes have been kept.
func (r *Reader) Kept() int { return int(r.kept) }

// Reject ends the reading with ErrSyntax.
func (r *Reader) Reject() { r.fail(ErrSyntax) }

// Keep counts bytes that the caller keeps. Text and List count theirs themselves.
func (r *Reader) Keep(bytes int) {
	n := int64(bytes)
	r.kept += n
	together := r.budget != nil && r.budget.used.Add(n) > r.budget.most
	if together || r.kept > r.bounds.Memory {
		r.fail(&fault.Oversized{Of: fault.Memory, Bound: r.bounds.Memory})
	}
}

// Next reports whether a stream has another value, and starts to count again what is kept. It waits for the value.
func (r *Reader) Next() bool {
	r.release()
	if r.err != nil {
		return false
	}
	if _, err := r.peekByte(); err != nil {
		if !errors.Is(err, io.EOF) {
			r.fail(err)
		}
		return false
	}
	return true
}

// End returns the first error, and an error if there is more than the value that was read.
func (r *Reader) End() error {
	if r.Next() {
		r.Reject()
	}
	return r.err
}

// Object reads an object, and calls field with each of its keys. A value that field does not read is skipped. A null
// has no fields.
func (r *Reader) Object(field func(key string)) {
	r.readDelimited('{', '}', func() {
		key := r.readKey()
		if r.nextByte() != ':' {
			r.Reject()
		}
		r.readElement(func() { field(key) })
	})
}

// Array reads a list, and calls element for each of its elements, which is skipped unless element reads it. A null is
// empty.
func (r *Reader) Array(element func()) {
	n := 0
	r.readDelimited('[', ']', func() {
		if n++; n > r.bounds.Elements {
			r.fail(&fault.Oversized{Of: fault.Elements, Bound: int64(r.bounds.Elements)})
		}
		r.readElement(element)
	})
}

// readElement calls read, which may read one value, and skips the value if read does not.
func (r *Reader) readElement(read func()) {
	before := r.values
	if r.err == nil {
		read()
	}
	if r.values == before {
		r.Skip()
	}
}

// readDelimited reads an open bracket, items between commas, and the end bracket, or a null.
func (r *Reader) readDelimited(open, end byte, item func()) {
	if r.readNull() {
		return
	}
	if r.depth++; r.depth > maxDepth {
		r.fail(&fault.Oversized{Of: fault.Depth, Bound: maxDepth})
	}
	defer func() { r.depth-- }()
	if r.nextByte() != open {
		r.Reject()
	}
	for first := true; r.err == nil; first = false {
		c, err := r.peekByte()
		switch {
		case err != nil:
			r.fail(unexpectedEOF(err))
			return
		case c == end:
			r.nextByte()
			return
		case !first && r.nextByte() != ',':
			r.Reject()
		}
		if r.err == nil {
			item()
		}
	}
}

// List reads a list whose elements are kept.
func List[T any](r *Reader, element func() T) (list []T) {
	size := int(reflect.TypeFor[T]().Size())
	r.Array(func() {
		r.Keep(2 * size) // a slice that grows has room to spare
		if r.err == nil {
			list = append(list, element())
		}
	})
	return list
}

// Bool reads a boolean. It returns unset for null.
func (r *Reader) Bool(unset bool) bool {
	if r.readNull() {
		return unset
	}
	switch word := r.readLiteral(); {
	case r.err != nil:
		return false
	case word == "true":
		return true
	case word != "false":
		r.Reject()
	}
	return false
}

// Int reads a whole number of 32 bits. It returns 0 for null.
func (r *Reader) Int() int {
	if r.readNull() {
		return 0
	}
	word := r.readLiteral()
	n, err := strconv.ParseInt(word, 10, 32)
	if r.err == nil && (err != nil || !isNumber(word)) {
		r.Reject()
	}
	return int(n)
}

// Skip reads a value of any type and keeps nothing of it.
func (r *Reader) Skip() {
	if r.err != nil {
		return
	}
	c, err := r.peekByte()
	switch {
	case err != nil:
		r.fail(unexpectedEOF(err))
	case c == '{':
		r.Object(func(string) {})
	case c == '[':
		r.skipArray()
	case c == '"':
		r.Text(0)
	default:
		r.values++
		word := r.readLiteral()
		if r.err == nil && word != "null" && word != "true" && word != "false" && !isNumber(word) {
			r.Reject()
		}
	}
}

// skipArray skips a list of any length, which costs nothing.
func (r *Reader) skipArray() { r.readDelimited('[', ']', r.Skip) }

// readNull begins a value, and reports whether that is null, which it reads, or cannot be read because of an error.
func (r *Reader) readNull() bool {
	r.values++
	if r.err != nil {
		return true
	}
	c, err := r.peekByte()
	if err != nil {
		r.fail(unexpectedEOF(err))
		return true
	}
	if c != 'n' {
		return false
	}
	if r.readLiteral() != "null" {
		r.Reject()
	}
	return true
}

// isNumber reports whether a word is a number of RFC 8259, section 6.
func isNumber(s string) bool {
	digits := func() (n int) {
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		s = s[n:]
		return n
	}
	skip := func(any string) bool {
		for i := range len(any) {
			if s != "" && s[0] == any[i] {
				s = s[1:]
				return true
			}
		}
		return false
	}
	skip("-")
	zero := s != "" && s[0] == '0'
	if n := digits(); n == 0 || zero && n > 1 {
		return false
	}
	if skip(".") && digits() == 0 {
		return false
	}
	if skip("eE") {
		skip("+-")
		if digits() == 0 {
			return false
		}
	}
	return s == ""
}

// A limitedReader returns a *fault.Oversized once it has read as many bytes as it may.
type limitedReader struct {
	source      io.Reader
	bound, left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, &fault.Oversized{Of: fault.Bytes, Bound: l.bound}
	}
	n, err := l.source.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}
