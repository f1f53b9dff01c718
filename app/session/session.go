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

// errEnded is the failure of a context whose proxy stopped serving on its own and without an error.
var errEnded = errors.New("the proxy ended by itself")

// session is one context. It is owned by its Manager's Run.
type session struct {
	entry     Entry
	gone      bool // no longer in the kubeconfig; kept until it has stopped
	wanted    bool
	restored  bool // the next start is not caused by a click
	phase     Phase
	reason    Reason
	endpoints Endpoints
	since     time.Time // when it began to listen
	used      time.Time // when it was last switched on in this run of the program
	run       *run      // nil if nothing runs
}

// run is one life of a context's proxy, from Start until Serve returns. All fields but health are owned by the
// Manager's Run.
type run struct {
	cancel        context.CancelFunc
	step          int                    // counts the steps: start, stop
	bound         *time.Timer            // bounds the step
	unhealthy     Reason                 // why the cluster is not reached; zero if it is
	unknown       bool                   // the cluster has not been tried since a change
	changeFailure Reason                 // why the last change was not applied; zero if it was
	health        atomic.Pointer[health] // the last report that was not collected yet
	reload        chan struct{}          // one token: there is a change to apply
	offAt         time.Time              // when it turns itself off; zero if never
	off           *time.Timer            // checks whether it is time
}

type health struct{ err error }

func (s *session) state() State {
	state := State{
		Name: s.entry.Name, Phase: s.phase, Wanted: s.wanted, Usable: s.entry.Problem == "" && !s.gone,
		Title: s.reason.Title, Reason: s.reason.Text, Hint: s.reason.Hint, Trouble: s.reason.Trouble, Login: s.reason.Login,
		Endpoints: s.endpoints, Warning: s.entry.Warning,
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

// drive takes the next step towards a context's desired state. The end of each step calls it again.
func (m *Manager) drive(s *session) {
	wanted := s.wanted && !s.gone && !m.stopping
	switch {
	case s.run == nil && wanted:
		m.start(s)
	case s.run == nil && m.stopping:
		// A failure stays visible in the last snapshot.
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

// start begins a run in a goroutine that posts its end.
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

// serve runs a proxy. It is called in the run's own goroutine.
func (m *Manager) serve(ctx context.Context, s *session, r *run, name string, restored bool) error {
	proxy, err := m.config.Start(ctx, name, restored, func(err error) {
		r.health.Store(&health{err})
		select {
		case m.healthChanged <- struct{}{}:
		default: // the last token is still there, so Run will see this, too
		}
	})
	if err != nil {
		return err
	}
	endpoints := proxy.Endpoints()
	m.post(func() { m.listening(s, r, endpoints) })
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

// limitStep bounds the time of the run's next step.
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

// endStep ends a step. Its timer may have fired already; the count shows then that it is too late.
func (r *run) endStep() {
	r.step++
	if r.bound != nil {
		r.bound.Stop()
	}
}

// overdue is called when a step took too long. It cancels a start, and gives up on a stop.
func (m *Manager) overdue(s *session) {
	log := m.config.Log.Warn().Str("context", s.entry.Name)
	switch s.phase {
	case Starting:
		log.Dur("within_ms", m.config.StartWithin).Msg("start timed out")
		s.phase, s.reason = Failed, Reason{Text: fmt.Sprintf("It did not start within %s.", m.config.StartWithin)}
		m.stop(s)
	case Stopping, Failed:
		log.Dur("within_ms", m.config.StopWithin).Msg("stop timed out")
		m.abandoned[s.run] = s.entry.Name
		s.run.cancelOff()
		s.run = nil
		if s.phase == Stopping {
			s.phase, s.reason = Failed, Reason{Text: fmt.Sprintf("It did not stop within %s.", m.config.StopWithin)}
		}
		m.forget(s)
	}
}

// listening is called after a run's Start has returned.
func (m *Manager) listening(s *session, r *run, endpoints Endpoints) {
	if s.run != r || s.phase != Starting {
		return
	}
	r.endStep()
	s.endpoints = endpoints
	m.config.Log.Info().Str("context", s.entry.Name).Strs("addresses", endpoints.Addresses()).Msg("listening")
	s.phase, s.since = On, time.Now().Round(0)
	m.scheduleOff(s, s.since, s.entry.AutoOff)
	m.applyHealth(s)
}

// ended is called when a run has ended completely.
func (m *Manager) ended(s *session, r *run, err error) {
	log := m.config.Log.With().Str("context", s.entry.Name).Logger()
	r.cancel()
	if s.run != r {
		delete(m.abandoned, r)
		log.Info().Msg("stopped late")
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
	case Failed: // its start was too slow, and has now ended
	default:
		if err == nil {
			err = errEnded
		}
		log.Warn().Err(err).Msg("failed")
		s.phase, s.reason = Failed, m.config.Reason(err)
	}
	m.forget(s)
}

// forget removes a context that is no longer in the kubeconfig, once it has stopped.
func (m *Manager) forget(s *session) {
	if s.gone && s.run == nil {
		m.sessions = slices.DeleteFunc(m.sessions, func(other *session) bool { return other == s })
	}
}

// collectHealth applies what the runs have reported since the last time.
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

// applyHealth shows the health of a run in its phase and reason: why the cluster is not reached or, if it is, why the
// last change was not applied.
func (m *Manager) applyHealth(s *session) {
	switch {
	case !s.phase.Listening():
	case s.run.unhealthy == Reason{}:
		s.phase, s.reason = On, s.run.changeFailure
	default:
		s.phase, s.reason = Unavailable, s.run.unhealthy
	}
}
