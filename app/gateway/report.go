package gateway

import (
	"errors"

	"github.com/rs/zerolog"

	"fairlead/app/explain"
	"fairlead/app/session"
	"fairlead/proxy"
)

// events returns the consumer of the events of a context's connections.
func (g *Gateways) events(log zerolog.Logger, name string) func(proxy.Event) {
	return func(e proxy.Event) {
		if e.Kind == proxy.EventClosed {
			g.report(log, name, e.Connection)
		}
	}
}

// report logs a connection that has ended and, if it failed because the cluster could not be reached, hands it to
// Failed. Failures on the way to other hosts are left to the client, because a browser causes many; but a captured client
// gets only an error number.
func (g *Gateways) report(log zerolog.Logger, name string, r proxy.Connection) {
	failed := r.Err != nil && !errors.Is(r.Err, proxy.ErrClientLeft) && !errors.Is(r.Err, proxy.ErrStopped)
	event, said := log.Debug(), explain.Error(r.Err).In(name).For(r.Target)
	if failed {
		event = log.Warn().Err(r.Err).Str("said", said.Sentence)
	}
	if r.Repeated {
		event.Bool("repeated", true)
	}
	event.Uint64("conn", r.ID).Str("protocol", string(r.Protocol)).Str("client", r.Client).Str("target", r.Target).
		Str("route", r.Rule).Str("stage", string(r.Stage)).Int64("sent_bytes", r.Sent).Int64("received_bytes", r.Received).
		Dur("lasted_ms", r.Lasted).Msg("connection")
	if failed && r.Stage != proxy.StageRelay && (r.Rule == clusterRule || g.config.Captured) && g.config.Failed != nil {
		trouble := Reason(r.Err).Trouble
		g.config.Failed(name, r.Target, said, trouble == session.LoginNeeded || trouble == session.Unreachable)
	}
}
