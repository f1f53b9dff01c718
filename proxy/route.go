package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
)

// A Rule sends the targets that it matches through Dialer. Rules are tried in order and the first match decides.
type Rule struct {
	// Name says in events and logs which rule it was.
	Name string
	// Match tells whether the rule is about a target; it may ask somebody, bounded by ctx, and an error of it ends the
	// connection. A nil Match matches everything.
	Match func(context.Context, Target) (bool, error)
	// Dialer carries the connection. A nil Dialer refuses it with a *RouteError.
	Dialer Dialer
	// SameOrigin refuses, with a *CrossOriginError, plain-HTTP requests that a page of another origin makes, as far as
	// its browser tells. What is inside a tunnel (SOCKS, CONNECT) is not seen.
	SameOrigin bool
}

// A RouteError is a target that may not be reached through this proxy. It unwraps to fs.ErrPermission.
type RouteError struct {
	Target string // host:port
	Rule   string // the rule that refused it; empty when no rule matched
	Reason string // why, when there is more to say than that a rule refuses it
	Secret bool   // Reason tells of this machine what a web page must not read
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

// PublicText is Error for a web page.
func (e *RouteError) PublicText() string {
	if e.Secret {
		return e.Target + " is not reachable through this proxy"
	}
	return e.Error()
}

// Unwrap gives fs.ErrPermission.
func (e *RouteError) Unwrap() error { return fs.ErrPermission }

// route finds the rule for a target. With an error it returns the rule that caused it, as far as there is one.
func route(ctx context.Context, rules []Rule, target Target) (Rule, error) {
	for _, rule := range rules {
		if rule.Match != nil {
			matches, err := rule.Match(ctx, target)
			if err != nil {
				return rule, fmt.Errorf("rule %q for %s: %w", rule.Name, target, err)
			}
			if !matches {
				continue
			}
		}
		if rule.Dialer == nil {
			return rule, &RouteError{Target: target.String(), Rule: rule.Name}
		}
		return rule, nil
	}
	return Rule{}, &RouteError{Target: target.String()}
}

// routed finds the rule for rec's target and notes it.
func routed(ctx context.Context, rec *record, target Target) (rule Rule, err error) {
	defer rec.recovered(&err)
	rule, err = route(ctx, rec.config.Rules, target)
	rec.setRule(rule.Name, err)
	return rule, inTime(ctx, err)
}

// dial reaches target by a rule. The connection is the caller's, also when its target has not confirmed it yet.
func dial(ctx context.Context, rec *record, rule Rule, target Target) (conn net.Conn, err error) {
	// A plain-HTTP dial runs in a goroutine of net/http, where a panic would end the process.
	defer rec.recovered(&err)
	rec.setStage(StageDial)
	conn, err = rule.Dialer.DialContext(ctx, "tcp", target.String())
	if err != nil {
		return nil, inTime(ctx, err)
	}
	return conn, nil
}

// dialForward reaches the forward proxy via of a rule.
func dialForward(ctx context.Context, rec *record, rule Rule, via *url.URL) (conn net.Conn, err error) {
	defer rec.recovered(&err)
	rec.setStage(StageDial)
	conn, err = rule.Dialer.(Forwarder).DialForward(ctx, via)
	return conn, inTime(ctx, err)
}

// inTime adds to err why its context ended, so that a Dialer need not: the client left, or time was up.
func inTime(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err == nil || cause == nil || errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w (%w)", cause, err)
}
