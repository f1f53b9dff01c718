package retryafter_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"fairlead/kube/retryafter"
)

func TestOf(t *testing.T) {
	date := "Fri, 27 Nov 2026 16:00:00 GMT"
	for _, c := range []struct {
		status     int
		after      string
		date, name string
		want       time.Duration
	}{
		{429, "2", "", "seconds", 2 * time.Second},
		{503, "2", "", "of a server that is not ready", 2 * time.Second},
		{500, "1", "", "of any server error", time.Second},
		{429, "", "", "no header", 0},
		{404, "2", "", "an answer that holds", 0},
		{301, "2", "", "a redirect", 0},
		{429, "0", "", "no pause at all", 100 * time.Millisecond},
		{429, "-1", "", "a negative number", 0},
		{429, "soon", "", "a word", 0},
		{429, "99999999999", "", "more than fits", 0},
		{429, "Fri, 27 Nov 2026 16:00:05 GMT", date, "a date, by the server's clock", 5 * time.Second},
		{429, "Fri, 27 Nov 2026 15:00:00 GMT", date, "a date that has passed", 100 * time.Millisecond},
	} {
		header := http.Header{}
		header.Set("Retry-After", c.after)
		header.Set("Date", c.date)
		if got := retryafter.Of(c.status, header); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestWaitReturnsAtOnceIfItsContextEndsFirst(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if !retryafter.Wait(ctx, time.Millisecond) {
		t.Error("a pause that fits was not waited for")
	}
	begin := time.Now()
	if retryafter.Wait(ctx, time.Hour) || time.Since(begin) > 10*time.Second {
		t.Errorf("a pause of an hour: %v", time.Since(begin))
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if retryafter.Wait(ended, time.Hour) {
		t.Error("a pause outlived its context")
	}
}
