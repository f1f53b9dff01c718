package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// errEnded is why a context failed whose proxy stopped serving without being asked and without an error.
var errEnded = errors.New("the proxy ended by itself")

// session is one context. It belongs to the loop of its Manager.
type session struct {
	entry    Entry
	gone     bool // no longer in the kubeconfig; kept until it has stopped
	wanted   bool
	restored bool // what starts next, nobody has clicked for
	phase    Phase
	reason   Reason
	address  string
	since    time.Time // when it began to listen
	used     time.Time // when it was last switched on in this run of the program
	run      *run      // nil if nothing runs
}

// run is one life of a context's proxy, from Start until Serve returns. Its fields but health belong to the loop.
type run struct {
	cancel        context.CancelFunc
	step          int                    // counts what it was told to do: start, stop
	bound         *time.Timer            // for the step
	unhealthy     Reason                 // why the cluster is not reached; none if it is
	unknown       bool                   // nothing is known of the cluster since a change
	changeFailure Reason                 // why the last change was not taken up; none if it was
	health        atomic.Pointer[health] // the last one told and not yet taken
	reload        chan struct{}          // one token: there is a change to take up
	offAt         time.Time              // when it turns itself off; zero: not
	off           *time.Timer            // looks whether it is time
}

type health struct{ err error }

func (s *session) state() State {
	state := State{
		Name: s.entry.Name, Phase: s.phase, Wanted: s.wanted, Usable: s.entry.Problem == "" && !s.gone,
		Title: s.reason.Title, Reason: s.reason.Text, Hint: s.reason.Hint, Trouble: s.reason.Trouble, Login: s.reason.Login,
		Address: s.address, Warning: s.entry.Warning,
		Cluster: s.entry.Cluster, Namespace: s.entry.Namespace, File: s.entry.File, Outside: s.entry.Outside,
		Production: s.entry.Production, Password: s.entry.Password, TLS: s.entry.TLS,
		AnyUser: s.entry.AnyUser, Used: s.entry.Used,
	}
	if state.Reason == "" && s.entry.Problem != "" {
		state.Reason, state.Hint, state.Trouble = s.entry.Problem, s.entry.Hint, Unusable
	}
	if s.used.After(state.Used) {
		state.Used = s.used
	}
	if s.phase.Listening() {
		state.Since, state.OffAt, state.Unknown = s.since, s.run.offAt, s.run.unknown
	}
	return state
}

// drive brings a context one step nearer to what is wanted of it. What ends a step calls it again.
func (m *Manager) drive(s *session) {
	wanted := s.wanted && !s.gone && !m.stopping
	switch {
	case s.run == nil && wanted:
		m.start(s)
	case s.run == nil && m.stopping:
		// A failure stays to be seen in the last snapshot.
	case s.run == nil:
		s.phase, s.reason = Off, Reason{}
	case s.phase == Failed && m.stopping:
	case s.phase == Failed:
		s.phase, s.reason = Stopping, Reason{} // its start was cancelled when it failed
	case !wanted && s.phase != Stopping:
		s.phase, s.reason = Stopping, Reason{}
		m.stop(s)
	}
}

// start begins a run. The goroutine that it starts ends by telling the loop so.
func (m *Manager) start(s *session) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{cancel: cancel, reload: make(chan struct{}, 1)}
	s.run, s.phase, s.reason = r, Starting, Reason{}
	m.limitStep(s, m.config.StartWithin)
	name, restored := s.entry.Name, s.restored
	m.config.Log.Info().Str("context", name).Bool("restored", restored).Msg("switching on")
	go func() {
		err := m.serve(ctx, s, r, name, restored)
		m.post(func() { m.ended(s, r, err) })
	}()
}

// serve is a run, in its own goroutine.
func (m *Manager) serve(ctx context.Context, s *session, r *run, name string, restored bool) error {
	proxy, err := m.config.Start(ctx, name, restored, func(err error) {
		r.health.Store(&health{err})
		select {
		case m.healthChanged <- struct{}{}:
		default: // the loop has yet to take the last token, and will see this, too
		}
	})
	if err != nil {
		return err
	}
	address := proxy.Address()
	m.post(func() { m.listening(s, r, address) })
	var changes sync.WaitGroup
	served, over := context.WithCancel(ctx)
	changes.Go(func() { m.applyChanges(served, s, r, proxy) })
	err = proxy.Serve(ctx)
	over()
	changes.Wait()
	return err
}

func (m *Manager) stop(s *session) {
	s.run.cancel()
	m.limitStep(s, m.config.StopWithin)
}

// expect bounds the time of the run's next step.
func (m *Manager) limitStep(s *session, within time.Duration) {
	r := s.run
	r.endStep()
	step := r.step
	r.bound = time.AfterFunc(within, func() {
		m.post(func() {
			if s.run == r && r.step == step {
				m.overdue(s)
			}
		})
	})
}

// finish ends a step. Its timer may have fired already and wait for the loop; the count tells it that it is too late.
func (r *run) endStep() {
	r.step++
	if r.bound != nil {
		r.bound.Stop()
	}
}

// overdue is called when a step took too long: a start is cancelled, a stop is given up.
func (m *Manager) overdue(s *session) {
	log := m.config.Log.Warn().Str("context", s.entry.Name)
	switch s.phase {
	case Starting:
		log.Dur("within_ms", m.config.StartWithin).Msg("start takes too long")
		s.phase, s.reason = Failed, Reason{Text: fmt.Sprintf("It did not start within %s.", m.config.StartWithin)}
		m.stop(s)
	case Stopping, Failed:
		log.Dur("within_ms", m.config.StopWithin).Msg("stop takes too long, left behind")
		m.abandoned[s.run] = s.entry.Name
		s.run.cancelOff()
		s.run = nil
		if s.phase == Stopping {
			s.phase, s.reason = Failed, Reason{Text: fmt.Sprintf("It did not stop within %s.", m.config.StopWithin)}
		}
		m.forget(s)
	}
}

// listens is told by a run whose Start has returned.
func (m *Manager) listening(s *session, r *run, address string) {
	if s.run != r || s.phase != Starting {
		return
	}
	r.endStep()
	s.address = address
	m.config.Log.Info().Str("context", s.entry.Name).Str("address", address).Msg("listening")
	s.phase, s.since = On, time.Now().Round(0)
	m.scheduleOff(s, s.since, s.entry.AutoOff)
	m.applyHealth(s)
}

// ended is told by a run when nothing of it is left.
func (m *Manager) ended(s *session, r *run, err error) {
	log := m.config.Log.With().Str("context", s.entry.Name).Logger()
	r.cancel()
	if s.run != r {
		delete(m.abandoned, r)
		log.Info().Msg("stopped at last")
		return
	}
	r.endStep()
	r.cancelOff()
	s.run = nil
	switch s.phase {
	case Stopping:
		if err != nil && !errors.Is(err, context.Canceled) {
			log.Warn().Err(err).Msg("switched off")
		} else {
			log.Info().Msg("switched off")
		}
		s.phase, s.reason = Off, Reason{}
		m.drive(s)
	case Failed: // its start was too slow, and has ended now
	default:
		if err == nil {
			err = errEnded
		}
		log.Warn().Err(err).Msg("failed")
		s.phase, s.reason = Failed, m.config.Reason(err)
	}
	m.forget(s)
}

// drop forgets a context that is no longer in the kubeconfig, once nothing of it runs.
func (m *Manager) forget(s *session) {
	if s.gone && s.run == nil {
		m.sessions = slices.DeleteFunc(m.sessions, func(other *session) bool { return other == s })
	}
}

// collectHealth takes up what the runs told since the last time.
func (m *Manager) collectHealth() {
	for _, s := range m.sessions {
		if s.run == nil {
			continue
		}
		report := s.run.health.Swap(nil)
		if report == nil {
			continue
		}
		s.run.unhealthy, s.run.unknown = Reason{}, errors.Is(report.err, ErrUnknownHealth)
		if report.err != nil && !s.run.unknown {
			s.run.unhealthy = m.config.Reason(report.err)
			m.config.Log.Warn().Str("context", s.entry.Name).Err(report.err).Msg("cluster not reached")
		}
		m.applyHealth(s)
	}
}

// applyHealth shows how a run fares, if it is in a phase that tells: what keeps it from its cluster, or else a change that it did not
// take up, with which it serves as before.
func (m *Manager) applyHealth(s *session) {
	switch {
	case !s.phase.Listening():
	case s.run.unhealthy == Reason{}:
		s.phase, s.reason = On, s.run.changeFailure
	default:
		s.phase, s.reason = Unavailable, s.run.unhealthy
	}
}
