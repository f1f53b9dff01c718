package instance

import (
	"strings"

	"fairlead/app/explain"
	"fairlead/app/gateway"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube/kubeconfig"
)

// entryOf returns a context with its settings in the form that the model uses. upstreamStamps changes with the files of
// the upstreams, which every context may use.
func entryOf(c kubeconfig.Context, s settings.Context, upstreamStamps string) session.Entry {
	e := session.Entry{
		Name: c.Name, Namespace: c.Namespace, Cluster: c.Cluster, User: c.User, File: c.File,
		Fingerprint: c.Fingerprint() + " " + s.Fingerprint(),
		Current:     c.Current,
		Outside:     string(s.Outside), Production: s.Production, Password: s.Password, TLS: s.RequireTLS, AnyUser: s.OtherUsers,
		AutoOff: s.AutoOff, Used: s.Used, Endpoints: gateway.Endpoints(s),
	}
	if s.TLS != nil {
		e.Fingerprint += " " + gateway.FileStamps(s.TLS.Cert, s.TLS.Key, s.TLS.ClientCA)
	}
	e.Fingerprint += upstreamStamps
	if files := append(s.KonnectivityFiles(), s.Egress.Files()...); len(files) > 0 {
		e.Fingerprint += " " + gateway.FileStamps(files...)
	}
	if s.Namespace != "" {
		e.Namespace = s.Namespace
	}
	tells := gateway.TellsUsersApart()
	e.AnyUser = e.AnyUser || !tells
	switch {
	case s.Exposed():
		e.Warning = "Other machines can reach it."
	case !tells && !s.Password && !s.RequireTLS:
		e.Warning = "Every user of this machine can use it, because the system does not tell them apart. A password would keep them out."
	}
	if s.Displaced != 0 {
		e.Warning = strings.TrimSpace(e.Warning + " " + gateway.Displaced(s))
	}
	if c.Warning != nil {
		e.Warning = strings.TrimSpace(e.Warning + " " + abbreviateHome(explain.Error(c.Warning).Sentence))
	}
	switch {
	case c.Err != nil:
		said := explain.Error(c.Err)
		e.Problem, e.Hint = abbreviateHome(said.Sentence), abbreviateHome(said.Hint)
	case s.Problem != "":
		e.Problem = s.Problem
	}
	return e
}
