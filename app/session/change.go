package session

import (
	"context"
	"errors"
	"time"
)

// reload asks a run to take up a change, or lets a start that has read the old state be followed by one that reads the new.
func (m *Manager) reload(s *session) {
	if s.run == nil || s.phase == Stopping || s.phase == Failed {
		return
	}
	select {
	case s.run.reload <- struct{}{}:
	default: // it has yet to take the last token, and will read this change, too
	}
}

// takeChanges hands a run's proxy the changes, one after another, until ctx ends.
func (m *Manager) takeChanges(ctx context.Context, s *session, r *run, proxy Proxy) {
	for {
		select {
		case <-r.reload:
		case <-ctx.Done():
			return
		}
		err := ErrRestart
		if proxy, ok := proxy.(Reconfigurer); ok {
			err = proxy.Reconfigure(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		address := proxy.Address()
		m.tell(func() { m.changeTaken(s, r, address, err) })
	}
}

// changeTaken is told by a run whose proxy was asked to take up a change.
func (m *Manager) changeTaken(s *session, r *run, address string, err error) {
	if s.run != r || !s.phase.Listening() {
		return
	}
	log := m.config.Log.With().Str("context", s.entry.Name).Logger()
	r.stale = Reason{}
	switch {
	case errors.Is(err, ErrRestart):
		log.Info().Msg("starting again to take up a change")
		s.phase, s.reason, s.restored = Stopping, Reason{}, true
		m.stop(s)
		return
	case err != nil:
		log.Warn().Err(err).Msg("change not taken up")
		r.stale = m.config.Reason(err)
		r.stale.Trouble = NotTakenUp
	default:
		log.Info().Str("address", address).Msg("change taken up")
		s.address = address
	}
	m.applyHealth(s)
}

// offLook is how long at most passes between two looks at the clock, which goes on while the machine sleeps, as timers do not.
const offLook = time.Minute

// offAfter makes a run turn itself off once a time has passed since begin; 0 makes it stay on.
func (m *Manager) offAfter(s *session, begin time.Time, after time.Duration) {
	r := s.run
	r.stayOn()
	if after <= 0 {
		return
	}
	r.offAt = begin.Add(after).Round(0)
	m.lookAtClock(s, r, r.offAt)
}

func (m *Manager) lookAtClock(s *session, r *run, at time.Time) {
	r.off = time.AfterFunc(min(offLook, max(0, time.Until(at))), func() {
		m.tell(func() {
			switch {
			case s.run != r || !r.offAt.Equal(at):
			case time.Now().Round(0).Before(at):
				m.lookAtClock(s, r, at)
			default:
				m.config.Log.Info().Str("context", s.entry.Name).Msg("its time is over")
				r.stayOn()
				_ = m.wish(s, Set{}) // switching off is never refused
			}
		})
	})
}

// stayOn takes back offAfter.
func (r *run) stayOn() {
	if r.off != nil {
		r.off.Stop()
	}
	r.offAt, r.off = time.Time{}, nil
}
