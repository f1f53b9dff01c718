// Package retryafter obeys the header Retry-After (RFC 9110, section 10.2.3) as kubectl does: a request that is
// answered with 429 or a server error and that header is sent again after the pause.
package retryafter

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// Tries is how often a request is sent at most; kubectl has the same limit.
const Tries = 10

// Of returns the pause that an answer asks for; 0 if it asks for none, or a later answer would be no other.
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
	// The pause is between two times of the server's clock; this machine's may be wrong.
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(at.Sub(now), least)
}

// least is the shortest pause: a server that asks for a pause of no length is not asked without one.
const least = 100 * time.Millisecond

// Wait waits for a pause and reports whether the next try may begin. It returns false at once if ctx would end before
// the pause does.
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
