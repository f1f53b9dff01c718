package explain

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"fairlead/kube/fault"
)

// through is an error of a forward proxy for a host outside, or an error about that host that the proxy reports. In
// both cases it wraps errors of package net and the system.
type through interface {
	error
	// ForwardProxy returns the name of the proxy in the settings, which is empty for one of the environment, its address,
	// and what is wrong.
	ForwardProxy() (name, address, problem string)
}

// The problems of forward proxies.
const (
	throughUnusable    = ""            // it is out of reach, or not trusted
	throughLogin       = "login"       // it wants other credentials
	throughDenies      = "denies"      // it refuses the target
	throughBeyond      = "beyond"      // it cannot reach the target
	throughCertificate = "certificate" // it wants a client certificate
)

// isThrough returns a function that reports whether an error is of this problem, and cause, unless it is nil, returns
// true for it.
func isThrough(problem string, cause func(error) bool) func(through) bool {
	return func(e through) bool {
		_, _, p := e.ForwardProxy()
		return p == problem && (cause == nil || cause(e))
	}
}

// isNoHost reports whether a forward proxy reports that a target does not exist.
func isNoHost(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}

// untrusted reports whether a certificate was not accepted here.
func untrusted(err error) bool { return isCertificate(&fault.Unreachable{Err: err}) }

// throughName names a forward proxy in a sentence, after "The ".
func throughName(e through) string {
	named, address, _ := e.ForwardProxy()
	if named == "" {
		return "forward proxy " + name(address)
	}
	return fmt.Sprintf("upstream %s (%s)", name(named), name(address))
}

// throughSetting returns a sentence that says where a forward proxy is set.
func throughSetting(e through) string {
	if named, _, _ := e.ForwardProxy(); named != "" {
		return "It is set in the settings, below upstreams."
	}
	return "It is set in the environment, as HTTPS_PROXY, HTTP_PROXY or ALL_PROXY."
}

// throughSaid returns what a forward proxy said, or what happened on the way to it.
func throughSaid(e through) string {
	said := error(e)
	if inner := errors.Unwrap(e); inner != nil {
		said = inner
	}
	return strings.TrimSuffix(Plain(said.Error(), textLength), ".")
}

func throughOutOfReach(e through) words {
	x := words{
		title:    "Proxy out of reach",
		sentence: fmt.Sprintf("The %s cannot be reached: %s.", throughName(e), throughSaid(e)),
		hint:     "The cluster is not concerned. Check that it runs, and its address. " + throughSetting(e),
	}
	if timedOut(e) {
		x.sentence = fmt.Sprintf("The %s does not answer.", throughName(e))
	}
	return x
}

func throughUntrusted(e through) words {
	return words{
		title:    "Proxy not trusted",
		sentence: fmt.Sprintf("The certificate of the %s is not one that is trusted: %s.", throughName(e), throughSaid(e)),
		hint:     "If its authority is your company's own, name its file: ca, below upstreams in the settings; server-name, if the certificate has another name.",
	}
}

func throughWantsCertificate(e through) words {
	return words{
		title:    "Certificate wanted",
		sentence: fmt.Sprintf("The %s does not let Fairlead in: %s.", throughName(e), throughSaid(e)),
		hint:     "Name the files of one that it accepts: cert and key, below upstreams in the settings.",
	}
}

func throughWantsLogin(e through) words {
	return words{
		title:    "Proxy wants a login",
		sentence: fmt.Sprintf("The %s wants a user and a password, and does not accept what it was given.", throughName(e)),
		hint:     "Write them into its URL, or correct them. " + throughSetting(e),
	}
}

func throughRefuses(e through) words {
	return words{
		title:    "Proxy refuses",
		sentence: fmt.Sprintf("The %s does not let the target be reached: %s.", throughName(e), throughSaid(e)),
		hint:     "Its rules forbid it: ask the people who run it, or send the target by another route in the settings.",
	}
}

// throughReports returns a function that explains what a forward proxy reports of the target.
func throughReports(title, what string) func(through) words {
	return func(e through) words {
		return words{
			title:    title,
			sentence: fmt.Sprintf("The %s reports that the target %s: %s.", throughName(e), what, throughSaid(e)),
		}
	}
}

// throughTimedOut reports whether a forward proxy reports that a target did not answer.
func throughTimedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
