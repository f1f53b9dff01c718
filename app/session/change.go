package session

import (
	"context"
	"errors"
	"time"
)

// reload asks a run to apply a change. A start that has read the old state is followed by a reload of the new one.
func (s *session) reload() {
	if s.run == nil || s.phase == Stopping || s.phase == Failed {
		return
	}
	select {
	case s.run.reload <- struct{}{}:
	default: // the last token is still there, and its reload will read this change, too
	}
}

// applyChanges passes changes to a run's proxy, one after another, until ctx ends.
func (s *session) applyChanges(ctx context.Context, r *run, proxy Proxy) {
	var moved <-chan struct{}
	if proxy, ok := proxy.(Changer); ok {
		moved = proxy.Changed()
	}
	for {
		select {
		case <-r.reload:
		case <-moved:
			endpoints := proxy.Endpoints()
			s.manager.post(func() { s.moved(r, endpoints) })
			continue
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
		endpoints := proxy.Endpoints()
		s.manager.post(func() { s.changeApplied(r, endpoints, err) })
	}
}

// moved is called after a run's endpoints have changed by themselves.
func (s *session) moved(r *run, endpoints Endpoints) {
	if s.run == r && s.phase.Listening() {
		s.endpoints = endpoints
		s.applyHealth()
	}
}

// changeApplied is called after a run's proxy was asked to apply a change.
func (s *session) changeApplied(r *run, endpoints Endpoints, err error) {
	if s.run != r || !s.phase.Listening() {
		return
	}
	log := s.manager.config.Log.With().Str("context", s.entry.Name).Logger()
	r.changeFailure = Reason{}
	switch {
	case errors.Is(err, ErrRestart):
		log.Info().Msg("restarting to apply a change")
		s.phase, s.reason, s.restored = Stopping, Reason{}, true
		s.stop()
		return
	case err != nil:
		log.Warn().Err(err).Msg("change not applied")
		r.changeFailure = s.manager.config.Reason(err)
		r.changeFailure.Trouble = ChangeFailed
	default:
		log.Info().Strs("addresses", endpoints.Addresses()).Msg("change applied")
		s.endpoints = endpoints
	}
	s.applyHealth()
}

// clockInterval bounds the time between two looks at the clock. The clock runs while the machine sleeps, but timers do
// not.
const clockInterval = time.Minute

// scheduleOff makes a run turn itself off once a duration has passed since begin; 0 makes it stay on.
func (s *session) scheduleOff(begin time.Time, after time.Duration) {
	r := s.run
	r.cancelOff()
	if after <= 0 {
		return
	}
	r.offAt = begin.Add(after).Round(0)
	s.armOffTimer(r, r.offAt)
}

func (s *session) armOffTimer(r *run, at time.Time) {
	r.off = time.AfterFunc(min(clockInterval, max(0, time.Until(at))), func() {
		s.manager.post(func() {
			switch {
			case s.run != r || !r.offAt.Equal(at):
			case time.Now().Round(0).Before(at):
				s.armOffTimer(r, at)
			default:
				s.manager.config.Log.Info().Str("context", s.entry.Name).Msg("auto-off reached")
				r.cancelOff()
				_ = s.setDesired(Set{})
			}
		})
	})
}

// cancelOff undoes scheduleOff.
func (r *run) cancelOff() {
	if r.off != nil {
		r.off.Stop()
	}
	r.offAt, r.off = time.Time{}, nil
}
