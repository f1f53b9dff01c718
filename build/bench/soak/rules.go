package soak

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"fairlead/build/bench/way"
)

// A record is the result of one connection.
type record struct {
	id          uint64
	deployment  *deployment
	work        *work
	begun, over time.Time
	err         error
}

// An end is how a connection ended.
type end int

const (
	well      end = iota
	refused       // refused by the proxy
	broken        // reset, or failed in another way that cannot be mistaken for a regular end
	shortened     // ended in order with bytes missing
	garbled       // wrong bytes, or more than were sent
	stuck         // no progress until the timeout
	accepted      // connected to a port on which nothing listens
	late          // connected, and reset when the refusal arrived
	endCount
)

var endNames = [endCount]string{"well", "refused", "broken", "shortened", "garbled", "stuck", "accepted", "late"}

// socksRefused is "connection refused" (RFC 1928, section 6).
const socksRefused = 5

// end classifies the record's error.
func (r record) end() end {
	var said *way.Refused
	switch {
	case r.err == nil:
		return well
	case errors.As(r.err, &said):
		return refused
	case errors.Is(r.err, errWrong):
		return garbled
	case errors.Is(r.err, errAccepted):
		return accepted
	case errors.Is(r.err, errLate):
		return late
	case errors.Is(r.err, errShort):
		return shortened
	case errors.Is(r.err, os.ErrDeadlineExceeded), r.over.Sub(r.begun) >= within:
		return stuck
	}
	return broken
}

// during returns a fault of the deployment that overlapped with the connection, if there was one.
func (r record) during() (fault, bool) {
	i := slices.IndexFunc(r.deployment.faults, func(t fault) bool { return r.begun.Before(t.to) && t.from.Before(r.over) })
	if i < 0 {
		return fault{}, false
	}
	return r.deployment.faults[i], true
}

// violation returns an error if the connection broke a rule. seen is how often the programs received its request.
func (r record) violation(seen int) error {
	if seen > 1 {
		return fmt.Errorf("its request was sent %d times", seen)
	}
	if r.work.leaves {
		return nil
	}
	_, duringFault := r.during()
	duringFault = duringFault && r.deployment.fails
	var said *way.Refused
	switch end := r.end(); {
	case end == well && !r.work.refused && seen == 0:
		return errors.New("it succeeded, and its request never arrived")
	case end == well, end == late:
		return nil
	case end == refused && r.work.refused:
		if errors.As(r.err, &said) && said.Code == socksRefused || duringFault {
			return nil
		}
		return fmt.Errorf("a port on which nothing listens: %w", r.err)
	case end == refused && seen > 0:
		return errors.New("it was refused, and its request arrived")
	case end == broken && duringFault:
		return nil
	case end == shortened && duringFault && r.deployment.ends:
		return nil
	default:
		return fmt.Errorf("%s: %w", endNames[end], r.err)
	}
}
