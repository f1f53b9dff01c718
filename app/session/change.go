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

// applyChanges hands a run's proxy the changes, one after another, until ctx ends.
func (m *Manager) applyChanges(ctx context.Context, s *session, r *run, proxy Proxy) {
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
		m.post(func() { m.changeApplied(s, r, address, err) })
	}
}

// changeApplied is told by a run whose proxy was asked to take up a change.
func (m *Manager) changeApplied(s *session, r *run, address string, err error) {
	if s.run != r || !s.phase.Listening() {
		return
	}
	log := m.config.Log.With().Str("context", s.entry.Name).Logger()
	r.changeFailure = Reason{}
	switch {
	case errors.Is(err, ErrRestart):
		log.Info().Msg("starting again to take up a change")
		s.phase, s.reason, s.restored = Stopping, Reason{}, true
		m.stop(s)
		return
	case err != nil:
		log.Warn().Err(err).Msg("change not taken up")
		r.changeFailure = m.config.Reason(err)
		r.changeFailure.Trouble = ChangeFailed
	default:
		log.Info().Str("address", address).Msg("change taken up")
		s.address = address
	}
	m.applyHealth(s)
}

// clockInterval is how long at most passes between two looks at the clock, which goes on while the machine sleeps, as timers do not.
const clockInterval = time.Minute

// scheduleOff makes a run turn itself off once a time has passed since begin; 0 makes it stay on.
func (m *Manager) scheduleOff(s *session, begin time.Time, after time.Duration) {
	r := s.run
	r.cancelOff()
	if after <= 0 {
		return
	}
	r.offAt = begin.Add(after).Round(0)
	m.armOffTimer(s, r, r.offAt)
}

func (m *Manager) armOffTimer(s *session, r *run, at time.Time) {
	r.off = time.AfterFunc(min(clockInterval, max(0, time.Until(at))), func() {
		m.post(func() {
			switch {
			case s.run != r || !r.offAt.Equal(at):
			case time.Now().Round(0).Before(at):
				m.armOffTimer(s, r, at)
			default:
				m.config.Log.Info().Str("context", s.entry.Name).Msg("its time is over")
				r.cancelOff()
				_ = m.setDesired(s, Set{}) // switching off is never refused
			}
		})
	})
}

// cancelOff takes back scheduleOff.
func (r *run) cancelOff() {
	if r.off != nil {
		r.off.Stop()
	}
	r.offAt, r.off = time.Time{}, nil
}
