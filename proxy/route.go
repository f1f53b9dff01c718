package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"

	"fairlead/proxy/browser"
	"fairlead/proxy/http1"
)

// A Rule is a route to some targets. Rules are tried in order and the first match decides.
type Rule struct {
	// Name identifies the rule in events and logs.
	Name string
	// Match returns the Dialer for a target, or nil if the rule is not for that target. What Match has found out about
	// the target should be kept in the Dialer that it returns, so that it need not be found twice. The target is
	// dialled once, or a few times for a plain-HTTP request that is repeated. ctx bounds Match and not that Dialer. An
	// error ends the connection. If Match is nil, the rule is for every target.
	Match func(context.Context, Target) (Dialer, error)
	// Dialer carries the connections of a rule without Match. If it is nil, the rule refuses them with a *RouteError.
	Dialer Dialer
	// Handler carries tunnels once their client has been answered, including those that begin as a plain-HTTP request,
	// such as WebSockets. nil means a Relay with Grace and Idle of the Config.
	Handler Handler
	// SameOrigin refuses, with a *CrossOriginError, plain-HTTP requests made by a page of another origin, as far as the
	// browser reports it. Requests inside a tunnel (SOCKS, CONNECT) are not seen.
	SameOrigin bool
	// TLS is used with a Site that speaks TLS. nil trusts the system's authorities.
	TLS *tls.Config
}

// A RouteError is a target that may not be reached through this proxy. It unwraps to fs.ErrPermission.
type RouteError struct {
	Target string // host:port
	Rule   string // the rule that refused it; empty when no rule matched
	Reason string // why, when there is more to say than that a rule refuses it
	Secret bool   // Reason contains facts about this machine that a web page must not read
}

func (e *RouteError) Error() string {
	switch {
	case e.Reason != "":
		return fmt.Sprintf("%s is not reachable through this proxy: %s", e.Target, e.Reason)
	case e.Rule != "":
		return fmt.Sprintf("%s is not reachable through this proxy: rule %q refuses it", e.Target, e.Rule)
	}
	return fmt.Sprintf("%s is not reachable through this proxy: no rule matches it", e.Target)
}

// PublicText returns the text of Error without what a web page must not read.
func (e *RouteError) PublicText() string {
	if e.Secret {
		return e.Target + " is not reachable through this proxy"
	}
	return e.Error()
}

// Unwrap returns fs.ErrPermission.
func (e *RouteError) Unwrap() error { return fs.ErrPermission }

// A CrossOriginError is a plain-HTTP request of a page of one origin to another origin, by a rule that refuses those. It
// unwraps to fs.ErrPermission.
type CrossOriginError struct {
	Target string // host:port
	Origin string // the page's, as far as its browser reports it; it is the client's text
}

func (e *CrossOriginError) Error() string {
	return fmt.Sprintf("a page of %s asked for %s, and its rule refuses other origins", e.Origin, e.Target)
}

// Unwrap returns fs.ErrPermission.
func (e *CrossOriginError) Unwrap() error { return fs.ErrPermission }

// CrossOrigin returns the target, and the origin of the page.
func (e *CrossOriginError) CrossOrigin() (target, origin string) { return e.Target, e.Origin }

// checkOrigin returns a *CrossOriginError for a request of a page of another origin than target's, as far as its
// browser reports it.
func checkOrigin(r *http.Request, target Target) error {
	origin, other := browser.OtherOrigin(r, func(text string) bool { return isOriginOf(text, target) })
	if !other {
		return nil
	}
	return &CrossOriginError{Target: target.String(), Origin: oneLine(origin)}
}

// isOriginOf reports whether text is a URL, or an origin (RFC 6454 6.1), of what target serves over plain HTTP.
func isOriginOf(text string, target Target) bool {
	u, err := url.Parse(text)
	if err != nil || !strings.EqualFold(u.Scheme, "http") || u.Host == "" {
		return false
	}
	of, err := targetOf(http1.Absolute{Scheme: "http", Authority: u.Host})
	return err == nil && strings.EqualFold(of.Host, target.Host) && of.Port == target.Port
}

// A route is the rule for a target, and the Dialer that the rule returned.
type route struct {
	rule   Rule
	dialer Dialer
}

// findRoute finds the route to a target. With an error, it returns the rule that caused it, if there is one.
func findRoute(ctx context.Context, rules []Rule, target Target) (route, error) {
	for _, rule := range rules {
		dialer := rule.Dialer
		if rule.Match != nil {
			found, err := rule.Match(ctx, target)
			if err != nil {
				return route{rule: rule}, fmt.Errorf("rule %q for %s: %w", rule.Name, target, err)
			}
			if found == nil {
				continue
			}
			dialer = found
		}
		if dialer == nil {
			return route{rule: rule}, &RouteError{Target: target.String(), Rule: rule.Name}
		}
		return route{rule, dialer}, nil
	}
	return route{}, &RouteError{Target: target.String()}
}

// handler returns what carries connections of the route.
func (to route) handler(config *Config) Handler {
	if to.rule.Handler != nil {
		return to.rule.Handler
	}
	return config.relay
}

// routed finds the route to rec's target and notes its rule.
func routed(ctx context.Context, rec *record, target Target) (to route, err error) {
	defer rec.recovered(&err)
	to, err = findRoute(ctx, rec.config.Rules, target)
	rec.setRule(to.rule.Name, err)
	return to, inTime(ctx, err)
}

// dial reaches target by a route. The connection is the caller's, also when its target has not confirmed it yet.
func (to route) dial(ctx context.Context, rec *record, target Target) (conn net.Conn, err error) {
	// A plain-HTTP dial runs in a goroutine of net/http, where a panic would end the process.
	defer rec.recovered(&err)
	rec.setStage(StageDial)
	conn, err = to.dialer.DialContext(ctx, "tcp", target.String())
	if err != nil {
		return nil, inTime(ctx, err)
	}
	return conn, nil
}

// dialForward reaches the forward proxy via of a route.
func (to route) dialForward(ctx context.Context, rec *record, via *url.URL) (conn net.Conn, err error) {
	defer rec.recovered(&err)
	rec.setStage(StageDial)
	conn, err = to.dialer.(Forwarder).DialForward(ctx, via)
	return conn, inTime(ctx, err)
}

// inTime adds to err why its context ended, so that a Dialer need not: the client left, or the time was over.
func inTime(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err == nil || cause == nil || errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w (%w)", cause, err)
}
