// Package retryafter obeys the header Retry-After (RFC 9110, section 10.2.3) as kubectl does: what is answered with 429
// or a server error and that header is asked again after the pause.
package retryafter

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// Tries is how often a request is sent at most; kubectl has the same bound.
const Tries = 10

// Of returns how long an answer asks to be left alone; 0 when it does not, or is no answer that a later one may replace.
func Of(status int, header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if text == "" || status != http.StatusTooManyRequests && status < http.StatusInternalServerError {
		return 0
	}
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return max(time.Duration(seconds)*time.Second, least)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	// The pause is between two moments of the server's clock; this machine's may be wrong.
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(at.Sub(now), least)
}

// least keeps a server that asks for no pause at all from being asked without one.
const least = 100 * time.Millisecond

// Wait waits for a pause and reports whether the next try may begin. It does not wait for a pause that ctx would cut
// short: whoever waits learns that at once.
func Wait(ctx context.Context, pause time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
