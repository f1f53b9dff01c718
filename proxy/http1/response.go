package http1

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Limits for the heads of responses. Each is bounded by MaxHeader, with all interim responses before it, and by
// MaxFields. All large ones together are bounded too, because a target can send many of them at a time.
const (
	maxLargeHeads = 32 << 20 // bytes, for all of a Server at a time
	smallResponse = 32 << 10 // the cost up to which a head always passes
)

// A ResponseMeter counts the head of each response on a connection to a target before net/http parses it. It determines
// the end of the head as net/http does.
type ResponseMeter struct {
	Large *atomic.Int64 // what the large heads of all connections cost

	mutex   sync.Mutex
	done    bool // the head has ended, and the body follows
	closed  bool
	bytes   int // of the head, with the interim ones before it
	lines   int // that have ended
	column  int // bytes of the line
	last    byte
	part    statusPart
	status  []byte // of the first line, at most four bytes
	charged int    // of large
}

// statusPart is where in its first line a ResponseMeter is.
type statusPart int

const (
	inVersion statusPart = iota
	inSpaces
	inStatus
	behindStatus
)

// Begin prepares for the next response. Bytes before the first request count towards its response.
func (m *ResponseMeter) Begin() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.done {
		m.done, m.bytes = false, 0
		m.nextHead()
	}
	m.free()
}

func (m *ResponseMeter) nextHead() {
	m.lines, m.column, m.last, m.part, m.status = 0, 0, 0, inVersion, m.status[:0]
}

// End releases the cost of a head that is no longer needed.
func (m *ResponseMeter) End() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.free()
}

// Close is End for a connection that is closed.
func (m *ResponseMeter) Close() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.closed = true
	m.free()
}

func (m *ResponseMeter) free() {
	m.Large.Add(-int64(m.charged))
	m.charged = 0
}

// Count counts bytes from the target. It returns what is wrong with the head, or "".
func (m *ResponseMeter) Count(p []byte) string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, c := range p {
		if m.done {
			break
		}
		m.bytes++
		m.step(c)
		if m.bytes > MaxHeader {
			return fmt.Sprintf("its head is larger than %d KiB", MaxHeader>>10)
		}
		if m.lines > MaxFields+1 { // and the first line
			return fmt.Sprintf("it has more than %d header fields", MaxFields)
		}
	}
	if !m.charge() {
		return "its head is large, and so are too many others at the same time"
	}
	return ""
}

// step processes the next byte of a head.
func (m *ResponseMeter) step(c byte) {
	if c != '\n' {
		if m.lines == 0 {
			m.stepStatus(c)
		}
		m.column, m.last = m.column+1, c
		return
	}
	empty := m.column == 0 || m.column == 1 && m.last == '\r'
	switch {
	case empty && m.lines > 0 && m.interim():
		m.nextHead()
	case empty && m.lines > 0:
		m.done = true
	default:
		m.lines, m.column = m.lines+1, 0
	}
}

// stepStatus processes the next byte of the first line, such as "HTTP/1.1 200 OK".
func (m *ResponseMeter) stepStatus(c byte) {
	switch {
	case m.part == inVersion && c == ' ':
		m.part = inSpaces
	case m.part == inSpaces && c != ' ':
		m.part, m.status = inStatus, append(m.status, c)
	case m.part == inStatus && (c == ' ' || c == '\r' || len(m.status) > 3):
		m.part = behindStatus
	case m.part == inStatus:
		m.status = append(m.status, c)
	}
}

// interim reports whether another head follows the one that has ended.
func (m *ResponseMeter) interim() bool {
	return len(m.status) == 3 && m.status[0] == '1' && string(m.status) != "101"
}

// charge adds to the cost of all large heads, and reports whether it stays within the limit.
func (m *ResponseMeter) charge() bool {
	cost := HeadCost(m.bytes, m.lines)
	if m.closed || cost <= max(smallResponse, m.charged) {
		return true
	}
	more := int64(cost - m.charged)
	if m.Large.Add(more) > maxLargeHeads {
		m.Large.Add(-more)
		return false
	}
	m.charged = cost
	return true
}
