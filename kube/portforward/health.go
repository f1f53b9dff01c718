package portforward

import (
	"io"
	"time"
)

// health looks whether the session, and the Pod, is alive. It returns when to look again, or why the attempt is to be given
// up. A session whose peer takes no more bytes is not dead: its pings wait behind what a program in the Pod does not
// read. mu is held.
func (a *attempt) health(now time.Time) (time.Time, error) {
	if !a.accepted() {
		return a.healthUnaccepted(now)
	}
	wake := a.sessionHealth(now)
	asked := later(a.opened, time.Unix(0, a.conn.sentAt.Load()))
	if a.s.doubtful.Load() && a.data.Progress().Sent > 0 && a.conn.heard.Before(asked) {
		switch due := asked.Add(jammed(a.pool.roundTrip(), a.s.State().Proving)); {
		case now.Before(due):
			wake = earlier(wake, due)
		case a.reads(due):
			return time.Time{}, errNoReply
		default:
			wake = earlier(wake, now.Add(probeEvery))
		}
	}
	if a.data.Progress().Received > 0 {
		return wake, nil
	}
	switch since, gone := a.pool.unlisted(a.ep, now); {
	case since.IsZero():
	case !gone:
		wake = earlier(wake, now.Add(askAgain))
	default:
		due := later(since, a.opened).Add(lastWord)
		if !now.Before(due) {
			return time.Time{}, errPodGone
		}
		wake = earlier(wake, due)
	}
	return wake, nil
}

// healthUnaccepted is health of an attempt that the runtime has not accepted yet, which takes it no time when it is well. Its
// library can hold up some of a session's streams for good and go on with others, so what else comes proves nothing. A
// probe does: once it is answered, the request for the streams was read. Before that it may wait behind what others
// upload, or the path may be interrupted.
func (a *attempt) healthUnaccepted(now time.Time) (time.Time, error) {
	st := a.s.State()
	rtt := max(st.RTT, a.pool.roundTrip())
	// A node that is busy is given more time by each attempt, and all there is by the last.
	due := a.opened.Add(replyWithin(rtt) << a.conn.again)
	if now.Before(due) {
		return due, nil
	}
	last := a.conn.again == retries && len(a.conn.rest) == 0
	look := now.Add(max(rtt, 50*time.Millisecond))
	sent := len(a.conn.kept) > 0 || a.conn.spent
	waited := now.Sub(a.opened)
	switch {
	case !st.Proved.Before(a.opened):
		a.s.giveUp("it accepts no stream")
		due := a.opened.Add(jammed(rtt, st.Proving))
		switch {
		case !sent && !last:
			a.doubtLater(due)
			return time.Time{}, errNoReply
		case now.Before(due):
			return due, nil
		case !a.reads(due):
			return now.Add(probeEvery), nil
		}
		a.s.doubt("it accepts no stream")
		if !sent && waited < unaccepted {
			return look, nil
		}
		return time.Time{}, errNoReply
	case st.Probed.Before(a.opened):
		a.s.Probe()
		return look, nil
	case waited < deadline(rtt):
		return look, nil
	case st.Heard.After(a.opened) && waited < unaccepted:
		return look, nil
	case st.Heard.After(a.opened):
		a.s.doubt("it accepts no stream")
		return time.Time{}, errNoReply
	case (st.Writing > 0 || st.Unheard > small) && waited < unaccepted:
		return earlier(a.sessionHealth(now), a.opened.Add(unaccepted)), nil
	case st.Writing > 0 || st.Unheard > small:
		// What others upload is stuck, which is no sign of a dead session, and may last.
		a.s.giveUp("it accepts no stream")
		return time.Time{}, errNoReply
	}
	a.s.markSilent()
	if sent && waited < unaccepted {
		return look, nil
	}
	a.s.CloseWith(errSilent)
	return now.Add(deadline(rtt)), nil
}

// probeEvery is how often it is looked whether a probe was answered.
const probeEvery = 50 * time.Millisecond

// reads reports whether a's session was read as far as it was written by due, and asks for a sign of that if need be. A
// machine, or a node, that has no time for anything else has none for the sign.
func (a *attempt) reads(due time.Time) bool {
	st := a.s.State()
	if st.Probed.Before(due) {
		a.s.Probe()
	}
	return !st.Proved.Before(due) || time.Since(due) > unaccepted
}

// replyWithin is how long a session that is well may take to accept a stream.
func replyWithin(rtt time.Duration) time.Duration { return 500*time.Millisecond + 4*rtt }

// jammed is how long a connection waits to be accepted, or answered on a doubtful session, while pings are answered. Those of
// a probe took proving: accepting a stream is more work for a runtime, and takes a busy one longer by far.
func jammed(rtt, proving time.Duration) time.Duration {
	return max(2*time.Second, replyWithin(2*rtt), min(busier*proving, unaccepted))
}

// busier is how much longer a busy runtime may take to accept a stream than to answer a ping.
const busier = 10

// sessionHealth looks whether the session is alive, and returns when to look again.
func (a *attempt) sessionHealth(now time.Time) time.Time {
	st := a.s.State()
	limit := deadline(st.RTT)
	stuck := st.Writing > 0 || st.Unheard > small
	switch silent := age(now, st.Heard); {
	case st.Pinging > lost && silent > lost && !stuck:
		a.s.CloseWith(errSilent)
	case st.Pinging >= limit:
		a.s.markSilent()
		return now.Add(limit)
	case st.Pinging > 0:
		return now.Add(limit - st.Pinging + time.Millisecond)
	case silent >= fresh, st.Unheard > 0 && silent >= limit:
		a.s.Ping()
		return now.Add(limit + time.Millisecond)
	case st.Unheard > 0:
		return now.Add(limit - silent + time.Millisecond)
	}
	if silent := age(now, st.Heard); silent >= patience {
		return now.Add(fresh - silent)
	}
	return now.Add(patience)
}

// wakeHealth has a session looked after that was silent when something is sent on it.
func (a *attempt) wakeHealth() {
	now := time.Now()
	a.conn.sentAt.Store(now.UnixNano())
	if a.s.doubtful.Load() {
		a.conn.look()
		return
	}
	st := a.s.State()
	if st.Pinging > 0 || st.Unheard > 0 || age(now, st.Heard) < patience {
		return
	}
	a.conn.look()
}

// A nudger wakes the health of the connection that it is sent on.
type nudger struct {
	io.Reader
	a *attempt
}

func (n nudger) Read(p []byte) (int, error) {
	count, err := n.Reader.Read(p)
	if count > 0 {
		n.a.wakeHealth()
	}
	return count, err
}

func earlier(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}
