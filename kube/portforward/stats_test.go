package portforward

import "time"

// Stats has counts of what a Forwarder has done and of what it holds.
type Stats struct {
	Sessions    int // open sessions
	Idle        int // of them, those without a connection
	Connections int // open connections
	Waiting     int // connections that wait for a session
	Unbound     int // connections to the API server that are not used for a session yet
	Dialled     int
	Shared      int
	Redialled   int
	Retired     int
	Protocol    string // the protocol that worked last
	RTT         time.Duration
}

// Stats returns the current counts.
func (f *Forwarder) Stats() Stats {
	connections := f.Connections()
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	done := f.pool.done
	st := Stats{Connections: connections, Dialled: done.dialled, Shared: done.shared, Redialled: done.redialled, Retired: done.retired}
	for _, p := range f.pool.pods {
		st.Sessions += len(p.sessions)
		st.Waiting += len(p.waiting)
		for _, s := range p.sessions {
			if s.users == 0 {
				st.Idle++
			}
		}
	}
	st.Unbound = maxUnbound - f.pool.up.unbound.missing(time.Now())
	st.RTT = f.pool.rtt
	f.pool.up.mu.Lock()
	st.Protocol = f.pool.up.last
	f.pool.up.mu.Unlock()
	return st
}
