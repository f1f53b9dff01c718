package session

import (
	"cmp"
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

// session is one context. It is owned by its Manager's Run, which calls all its methods except serve and applyChanges:
// those are called in goroutines of a run.
type session struct {
	manager   *Manager
	entry     Entry
	gone      bool // no longer in the kubeconfig; kept until it has stopped
	wanted    bool
	restored  bool // the next start was not requested by the user just now; see Start
	phase     Phase
	reason    Reason
	endpoints Endpoints
	since     time.Time     // when it began to listen
	used      time.Time     // when it was last switched on in this run of the program
	onFor     time.Duration // how long it is to be on, as the user said when switching it on; 0 if the user said nothing
	run       *run          // nil if nothing runs
}

// run is one life of a context's proxy, from Start until Serve returns. All fields but health are owned by the
// Manager's Run.
type run struct {
	cancel        context.CancelFunc
	step          int                    // counts the steps: start, stop
	bound         *time.Timer            // bounds the step
	unhealthy     Reason                 // why the cluster is not reached; zero if it is
	reached       bool                   // the cluster has answered
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
		Cluster: s.entry.Cluster, User: s.entry.User, Namespace: s.entry.Namespace, File: s.entry.File, Outside: s.entry.Outside,
		Current: s.entry.Current, Production: s.entry.Production, Password: s.entry.Password, TLS: s.entry.TLS,
		AnyUser: s.entry.AnyUser, Used: s.entry.Used, Requested: s.used,
	}
	if state.Reason == "" && s.entry.Problem != "" {
		state.Reason, state.Hint, state.Trouble = s.entry.Problem, s.entry.Hint, Unusable
	}
	if s.used.After(state.Used) {
		state.Used = s.used
	}
	if s.phase.Listening() {
		state.Since, state.OffAt, state.Unknown = s.since, s.run.offAt, s.run.unknown
		state.Reached = s.run.reached
	}
	return state
}

// drive takes the next step towards a context's desired state. The end of each step calls it again.
func (s *session) drive() {
	wanted := s.wanted && !s.gone && !s.manager.stopping
	switch {
	case s.run == nil && wanted:
		s.start()
	case s.run == nil && s.manager.stopping:
		// A failure stays visible in the last snapshot.
	case s.run == nil:
		s.phase, s.reason = Off, Reason{}
	case s.phase == Failed && s.manager.stopping:
	case s.phase == Failed:
		s.phase, s.reason = Stopping, Reason{} // its start was cancelled when it failed
	case !wanted && s.phase != Stopping:
		s.phase, s.reason = Stopping, Reason{}
		s.stop()
	}
}

// start begins a run in a goroutine that posts its end.
func (s *session) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{cancel: cancel, reload: make(chan struct{}, 1)}
	s.run, s.phase, s.reason = r, Starting, Reason{}
	s.limitStep(s.manager.config.StartWithin)
	name, restored := s.entry.Name, s.restored
	s.manager.config.Log.Info().Str("context", name).Bool("restored", restored).Msg("switching on")
	go func() {
		err := s.serve(ctx, r, name, restored)
		s.manager.post(func() { s.ended(r, err) })
	}()
}

// serve runs a proxy. It is called in the run's own goroutine.
func (s *session) serve(ctx context.Context, r *run, name string, restored bool) error {
	proxy, err := s.manager.config.Start(ctx, name, restored, func(err error) {
		r.health.Store(&health{err})
		select {
		case s.manager.healthChanged <- struct{}{}:
		default: // the last token is still there, so Run will see this, too
		}
	})
	if err != nil {
		return err
	}
	endpoints := proxy.Endpoints()
	s.manager.post(func() { s.listening(r, endpoints) })
	var changes sync.WaitGroup
	served, over := context.WithCancel(ctx)
	changes.Go(func() { s.applyChanges(served, r, proxy) })
	err = proxy.Serve(ctx)
	over()
	changes.Wait()
	return err
}

func (s *session) stop() {
	s.run.cancel()
	s.limitStep(s.manager.config.StopWithin)
}

// limitStep bounds the time of the run's next step.
func (s *session) limitStep(within time.Duration) {
	r := s.run
	r.endStep()
	step := r.step
	r.bound = time.AfterFunc(within, func() {
		s.manager.post(func() {
			if s.run == r && r.step == step {
				s.overdue()
			}
		})
	})
}

// endStep ends a step. If the step's timer has fired already, the timer's function sees from the count that the step is
// over.
func (r *run) endStep() {
	r.step++
	if r.bound != nil {
		r.bound.Stop()
	}
}

// overdue is called when a step took too long. It cancels a start, and gives up on a stop.
func (s *session) overdue() {
	log := s.manager.config.Log.Warn().Str("context", s.entry.Name)
	switch s.phase {
	case Starting:
		log.Dur("within_ms", s.manager.config.StartWithin).Msg("start timed out")
		s.phase, s.reason = Failed, Reason{Text: fmt.Sprintf("It did not start within %s.", s.manager.config.StartWithin)}
		s.stop()
	case Stopping, Failed:
		log.Dur("within_ms", s.manager.config.StopWithin).Msg("stop timed out")
		s.manager.abandoned[s.run] = s.entry.Name
		s.run.cancelOff()
		s.run = nil
		if s.phase == Stopping {
			s.phase, s.reason = Failed, Reason{Text: fmt.Sprintf("It did not stop within %s.", s.manager.config.StopWithin)}
		}
		s.manager.forget(s)
	}
}

// listening is called after a run's Start has returned.
func (s *session) listening(r *run, endpoints Endpoints) {
	if s.run != r || s.phase != Starting {
		return
	}
	r.endStep()
	s.endpoints = endpoints
	s.manager.config.Log.Info().Str("context", s.entry.Name).Strs("addresses", endpoints.Addresses()).Msg("listening")
	s.phase, s.since = On, time.Now().Round(0)
	s.scheduleOff(s.since, cmp.Or(s.onFor, s.entry.AutoOff))
	s.applyHealth()
}

// ended is called when a run has ended completely.
func (s *session) ended(r *run, err error) {
	log := s.manager.config.Log.With().Str("context", s.entry.Name).Logger()
	r.cancel()
	if s.run != r {
		delete(s.manager.abandoned, r)
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
		s.drive()
	case Failed: // its start was too slow, and has now ended
	default:
		if err == nil {
			err = errEnded
		}
		log.Warn().Err(err).Msg("failed")
		s.phase, s.reason = Failed, s.manager.config.Reason(err)
	}
	s.manager.forget(s)
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
		s.run.reached = s.run.reached || report.err == nil
		if report.err != nil && !s.run.unknown {
			s.run.unhealthy = m.config.Reason(report.err)
			m.config.Log.Warn().Str("context", s.entry.Name).Err(report.err).Msg("cluster not reached")
		}
		s.applyHealth()
	}
}

// applyHealth shows the health of a run in its phase and reason: why the cluster is not reached or, if it is, why the
// last change was not applied, or why it does not listen everywhere.
func (s *session) applyHealth() {
	switch {
	case !s.phase.Listening():
	case s.run.unhealthy == Reason{}:
		s.phase, s.reason = On, cmp.Or(s.run.changeFailure, s.endpoints.reason())
	default:
		s.phase, s.reason = Unavailable, s.run.unhealthy
	}
}
