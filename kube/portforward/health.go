package portforward

import (
	"io"
	"time"
)

// health checks the session and the Pod, and returns when to check again, or why the attempt is to be given up. A
// session whose peer takes no more bytes is not dead: its pings wait behind what a program in the Pod does not read. mu
// is held.
func (a *attempt) health(now time.Time) (time.Time, error) {
	if !a.accepted() {
		return a.healthUnaccepted(now)
	}
	wake := a.sessionHealth(now)
	asked := later(a.opened, time.Unix(0, a.conn.sentAt.Load()))
	if a.session.doubtful.Load() && a.data.Progress().Sent > 0 && a.conn.lastByteAt.Before(asked) {
		switch due := asked.Add(jammedAfter(a.pool.roundTrip(), a.session.State().Proving)); {
		case now.Before(due):
			wake = earlier(wake, due)
		case a.peerHasRead(due):
			return time.Time{}, errNoReply
		default:
			wake = earlier(wake, now.Add(probeInterval))
		}
	}
	if a.data.Progress().Received > 0 {
		return wake, nil
	}
	switch since, gone := a.pool.unlistedSince(a.ep, now); {
	case since.IsZero():
	case !gone:
		wake = earlier(wake, now.Add(standingRefresh))
	default:
		due := later(since, a.opened).Add(goneTimeout)
		if !now.Before(due) {
			return time.Time{}, errPodGone
		}
		wake = earlier(wake, due)
	}
	return wake, nil
}

// healthUnaccepted is health for an attempt that the runtime has not accepted yet. A healthy runtime accepts at once. Its
// library can hold up some of a session's streams for good and go on with others, so anything else
// that comes proves nothing. A probe does: once it is answered, the request for the streams was read. Before that it
// may wait behind what others upload, or the path may be interrupted.
func (a *attempt) healthUnaccepted(now time.Time) (time.Time, error) {
	st := a.session.State()
	rtt := max(st.RTT, a.pool.roundTrip())
	// A busy node gets more time at each attempt, and as much as there is at the last.
	due := a.opened.Add(acceptTimeout(rtt) << a.conn.retried)
	if now.Before(due) {
		return due, nil
	}
	last := a.conn.retried == maxRetries && len(a.conn.untried) == 0
	recheck := now.Add(max(rtt, 50*time.Millisecond))
	sent := len(a.conn.kept) > 0 || a.conn.overflowed
	waited := now.Sub(a.opened)
	switch {
	case !st.Proved.Before(a.opened):
		a.session.retire("it accepts no stream")
		due := a.opened.Add(jammedAfter(rtt, st.Proving))
		switch {
		case !sent && !last:
			a.doubtLater(due)
			return time.Time{}, errNoReply
		case now.Before(due):
			return due, nil
		case !a.peerHasRead(due):
			return now.Add(probeInterval), nil
		}
		a.session.doubt("it accepts no stream")
		if !sent && waited < maxAcceptTime {
			return recheck, nil
		}
		return time.Time{}, errNoReply
	case st.Probed.Before(a.opened):
		a.session.Probe()
		return recheck, nil
	case waited < responseTimeout(rtt):
		return recheck, nil
	case st.Heard.After(a.opened) && waited < maxAcceptTime:
		return recheck, nil
	case st.Heard.After(a.opened):
		a.session.doubt("it accepts no stream")
		return time.Time{}, errNoReply
	case (st.Writing > 0 || st.Unheard > smallUpload) && waited < maxAcceptTime:
		return earlier(a.sessionHealth(now), a.opened.Add(maxAcceptTime)), nil
	case st.Writing > 0 || st.Unheard > smallUpload:
		// Other uploads are stuck, which is no sign of a dead session, and may last.
		a.session.retire("it accepts no stream")
		return time.Time{}, errNoReply
	}
	a.session.markSilent()
	if sent && waited < maxAcceptTime {
		return recheck, nil
	}
	a.session.CloseWith(errSilent)
	return now.Add(responseTimeout(rtt)), nil
}

// probeInterval is how often the answer to a probe is checked for.
const probeInterval = 50 * time.Millisecond

// peerHasRead reports whether the peer has read what was written by due, and sends a probe if necessary. After
// maxAcceptTime it reports true: a machine or a node that is that busy does not answer the probe either.
func (a *attempt) peerHasRead(due time.Time) bool {
	st := a.session.State()
	if st.Probed.Before(due) {
		a.session.Probe()
	}
	return !st.Proved.Before(due) || time.Since(due) > maxAcceptTime
}

// acceptTimeout returns how long a healthy session may take to accept a stream.
func acceptTimeout(rtt time.Duration) time.Duration { return 500*time.Millisecond + 4*rtt }

// jammedAfter returns how long a connection waits to be accepted, or to be answered on a doubtful session, while pings
// are answered. proving is how long the answer to a probe took: accepting a stream is more work for a runtime, and
// takes a busy one much longer.
func jammedAfter(rtt, proving time.Duration) time.Duration {
	return max(2*time.Second, acceptTimeout(2*rtt), min(busyFactor*proving, maxAcceptTime))
}

// busyFactor is how many times as long a busy runtime may take to accept a stream as to answer a ping.
const busyFactor = 10

// sessionHealth checks whether the session is alive, and returns when to check again.
func (a *attempt) sessionHealth(now time.Time) time.Time {
	st := a.session.State()
	limit := responseTimeout(st.RTT)
	stuck := st.Writing > 0 || st.Unheard > smallUpload
	switch silent := age(now, st.Heard); {
	case st.Pinging > silenceTimeout && silent > silenceTimeout && !stuck:
		a.session.CloseWith(errSilent)
	case st.Pinging >= limit:
		a.session.markSilent()
		return now.Add(limit)
	case st.Pinging > 0:
		return now.Add(limit - st.Pinging + time.Millisecond)
	case silent >= freshFor, st.Unheard > 0 && silent >= limit:
		a.session.Ping()
		return now.Add(limit + time.Millisecond)
	case st.Unheard > 0:
		return now.Add(limit - silent + time.Millisecond)
	}
	if silent := age(now, st.Heard); silent >= minResponseTimeout {
		return now.Add(freshFor - silent)
	}
	return now.Add(minResponseTimeout)
}

// wakeHealth makes the reader check the health of a session that was silent when something is sent on it.
func (a *attempt) wakeHealth() {
	now := time.Now()
	a.conn.sentAt.Store(now.UnixNano())
	if a.session.doubtful.Load() {
		a.conn.recheck()
		return
	}
	st := a.session.State()
	if st.Pinging > 0 || st.Unheard > 0 || age(now, st.Heard) < minResponseTimeout {
		return
	}
	a.conn.recheck()
}

// A healthReader calls wakeHealth whenever bytes are read from it, since they are sent next.
type healthReader struct {
	io.Reader
	a *attempt
}

func (n healthReader) Read(p []byte) (int, error) {
	count, err := n.Reader.Read(p)
	if count > 0 {
		n.a.wakeHealth()
	}
	return count, err
}

// earlier returns the earlier of two times. A zero time counts as never.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
