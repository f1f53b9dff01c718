package gateway

import (
	"errors"

	"github.com/rs/zerolog"

	"fairlead/app/explain"
	"fairlead/proxy"
)

// report is where a connection's end becomes a log line and, when the cluster could not be reached for it, a
// notification. What fails on the way to other hosts is for the client to tell: a browser asks for many.
func (g *Gateways) report(log zerolog.Logger, name string, r proxy.Report) {
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
	if failed && r.Stage != proxy.StageRelay && r.Rule == clusterRule && g.config.Failed != nil {
		g.config.Failed(name, r.Target, said)
	}
}
