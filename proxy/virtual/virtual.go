// Package virtual gives names addresses that stand for them, for programs that connect to addresses only.
package virtual

import (
	"container/list"
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
)

// maxNames bounds how many names have addresses at a time. The least recently used one makes room for a new one.
const maxNames = 1 << 16

// A Table has the addresses of names: one of IPv4, and the one of IPv6 with the same number. A name keeps its addresses while
// it is used.
type Table struct {
	v4, v6 netip.Prefix
	size   int

	mutex   sync.Mutex
	names   map[string]*list.Element
	numbers map[uint32]*list.Element
	used    *list.List // of *entry, the one used last at the front
	next    uint32     // the lowest number that no name has had
}

// An entry is a name and the number of its addresses in their ranges.
type entry struct {
	name   string
	number uint32
}

// New returns a Table of addresses from two ranges. The first addresses of each, as many as reserved, stand for no name. Each
// range needs more addresses than that.
func New(v4, v6 netip.Prefix, reserved uint32) (*Table, error) {
	v4, v6 = v4.Masked(), v6.Masked()
	bits := 32 - v4.Bits()
	if !v4.Addr().Is4() || !v6.Addr().Is6() || bits < 4 || 128-v6.Bits() < bits || reserved >= 1<<bits-1 {
		return nil, fmt.Errorf("%s is too small a range", v4)
	}
	// The last address of a range is its broadcast address.
	size := min(1<<bits-1-int(reserved), maxNames)
	return &Table{
		v4: v4, v6: v6, size: size, next: reserved,
		names: map[string]*list.Element{}, numbers: map[uint32]*list.Element{}, used: list.New(),
	}, nil
}

// Addresses returns the addresses of a name.
func (t *Table) Addresses(name string) (v4, v6 netip.Addr) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	at, known := t.names[name]
	if known {
		t.used.MoveToFront(at)
	} else {
		at = t.add(name)
	}
	return t.At(at.Value.(*entry).number)
}

// add gives a name a number. The caller holds the mutex.
func (t *Table) add(name string) *list.Element {
	e := &entry{name: name}
	if t.used.Len() < t.size {
		e.number = t.next
		t.next++
	} else {
		last := t.used.Back()
		e.number = t.used.Remove(last).(*entry).number
		delete(t.names, last.Value.(*entry).name)
	}
	at := t.used.PushFront(e)
	t.names[name], t.numbers[e.number] = at, at
	return at
}

// At returns the addresses with a number, such as a reserved one.
func (t *Table) At(number uint32) (v4, v6 netip.Addr) {
	four, six := t.v4.Addr().As4(), t.v6.Addr().As16()
	binary.BigEndian.PutUint32(four[:], binary.BigEndian.Uint32(four[:])+number)
	binary.BigEndian.PutUint32(six[12:], binary.BigEndian.Uint32(six[12:])+number)
	return netip.AddrFrom4(four), netip.AddrFrom16(six)
}

// Name returns the name that an address stands for, and false if it stands for none.
func (t *Table) Name(a netip.Addr) (string, bool) {
	var number uint32
	switch a = a.Unmap(); {
	case t.v4.Contains(a):
		four, base := a.As4(), t.v4.Addr().As4()
		number = binary.BigEndian.Uint32(four[:]) - binary.BigEndian.Uint32(base[:])
	case t.v6.Contains(a):
		six, base := a.As16(), t.v6.Addr().As16()
		if [12]byte(six[:12]) != [12]byte(base[:12]) {
			return "", false
		}
		number = binary.BigEndian.Uint32(six[12:]) - binary.BigEndian.Uint32(base[12:])
	default:
		return "", false
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	at, known := t.numbers[number]
	if !known {
		return "", false
	}
	t.used.MoveToFront(at)
	return at.Value.(*entry).name, true
}

// Contains reports whether an address is from the ranges.
func (t *Table) Contains(a netip.Addr) bool { return t.v4.Contains(a.Unmap()) || t.v6.Contains(a) }
