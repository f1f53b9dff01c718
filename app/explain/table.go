package explain

import (
	"context"
	"errors"
	"net"
	"net/http"

	"fairlead/kube/fault"
)

// A row is one cause: the codes for programs, a function that recognizes and explains it, and one that returns which
// words web pages may read; if that is nil, almost none.
type row struct {
	socks5      byte
	socks4      byte
	status      int
	proxyStatus string
	words       func(error) (words, bool)
	public      func(error, words) words
}

// words are the texts for people.
type words struct{ title, sentence, hint string }

func (r row) explanation(err error, said words) Explanation {
	public := r.public
	if public == nil {
		public = publicUnknown
	}
	open := public(err, said)
	return Explanation{
		Title: said.title, Sentence: said.sentence, Hint: said.hint, PublicSentence: open.sentence, PublicHint: open.hint,
		SOCKS5: r.socks5, SOCKS4: r.socks4, Status: r.status, ProxyStatus: r.proxyStatus,
	}
}

// The reply codes of RFC 1928, section 6, that a cause can have.
const (
	generalFailure     = 1
	notAllowed         = 2
	networkUnreachable = 3
	hostUnreachable    = 4
	connectionRefused  = 5
	ttlExpired         = 6
)

// rejected is the SOCKS4 reply code of every failure.
const rejected = 91

// The error types of RFC 9209, section 2.3, that a cause can have.
const (
	dnsTimeout         = "dns_timeout"
	dnsError           = "dns_error"
	notFoundError      = "destination_not_found"
	unavailable        = "destination_unavailable"
	addressUnroutable  = "destination_ip_unroutable"
	refusedError       = "connection_refused"
	terminated         = "connection_terminated"
	limitReached       = "connection_limit_reached"
	connectionTimeout  = "connection_timeout"
	tlsProtocolError   = "tls_protocol_error"
	certificateError   = "tls_certificate_error"
	protocolError      = "http_protocol_error"
	headerSize         = "http_response_header_section_size"
	denied             = "http_request_denied"
	configurationError = "proxy_configuration_error"
	internalError      = "proxy_internal_error"
)

// unknown is the row for errors that no other row explains.
var unknown = row{generalFailure, rejected, http.StatusBadGateway, internalError, nil, nil}

// table lists the causes. The first row that recognizes an error explains it, so the most specific ones are first: an
// error may hold several causes, and kube/fault's types contain the errors of net that the last rows look for.
func table() []row {
	return []row{
		// This machine lacks something, whatever it was needed for.
		{generalFailure, rejected, http.StatusServiceUnavailable, limitReached, lacks(fault.LackFiles), whole},
		{generalFailure, rejected, http.StatusServiceUnavailable, limitReached, lacks(fault.LackAllFiles), whole},
		{generalFailure, rejected, http.StatusServiceUnavailable, internalError, lacks(fault.LackMemory), whole},
		{generalFailure, rejected, http.StatusServiceUnavailable, limitReached, lacks(fault.LackAddress), whole},
		{notAllowed, rejected, http.StatusForbidden, denied, lacks(fault.LackPermission), whole},

		// Before a route is chosen.
		{generalFailure, rejected, http.StatusBadGateway, configurationError, typed(kubeconfig), publicKubeconfig},

		// On the way into a cluster.
		{generalFailure, rejected, http.StatusBadGateway, configurationError, typed(login), publicLogin},
		{networkUnreachable, rejected, http.StatusBadGateway, unavailable, typedIf(isProxy, proxy), publicUnreachable},
		{networkUnreachable, rejected, http.StatusBadGateway, certificateError, typedIf(isCertificate, certificate), publicTrust},
		{networkUnreachable, rejected, http.StatusBadGateway, tlsProtocolError, typedIf(isNoTLS, noTLS), publicTrust},
		{networkUnreachable, rejected, http.StatusBadGateway, unavailable, typedIf(isRedirect, redirect), publicTrust},
		{hostUnreachable, rejected, http.StatusBadGateway, unavailable, typed(node), publicNode},
		{networkUnreachable, rejected, http.StatusBadGateway, unavailable, typed(blocked), publicBlocked},
		{networkUnreachable, rejected, http.StatusBadGateway, unavailable, typedIf(isServersFault, konnectivity), publicKonnectivity},
		{hostUnreachable, rejected, http.StatusBadGateway, dnsError, typedIf(isUnknownThere, unknownThere), whole},
		{generalFailure, rejected, http.StatusServiceUnavailable, unavailable, typedIf(isBusy, busy), publicBusy},
		{generalFailure, rejected, http.StatusBadGateway, protocolError, typed(oversized), publicOversized},
		{hostUnreachable, rejected, http.StatusBadGateway, unavailable, typedIf(isBehind, behind), whole},
		{networkUnreachable, rejected, http.StatusBadGateway, unavailable, typed(unreachable), publicUnreachable},

		// On the way through a forward proxy to a host outside. What leads into the cluster, where that proxy may be, comes
		// before it.
		{generalFailure, rejected, http.StatusBadGateway, configurationError, typedIf(isThrough(throughLogin, nil), throughWantsLogin), publicThrough},
		{networkUnreachable, rejected, http.StatusBadGateway, certificateError, typedIf(isThrough(throughCertificate, nil), throughWantsCertificate), publicThrough},
		{networkUnreachable, rejected, http.StatusBadGateway, certificateError, typedIf(isThrough(throughUnusable, untrusted), throughUntrusted), publicThrough},
		{networkUnreachable, rejected, http.StatusBadGateway, unavailable, typedIf(isThrough(throughUnusable, nil), throughOutOfReach), publicThrough},
		{notAllowed, rejected, http.StatusForbidden, denied, typedIf(isThrough(throughDenies, nil), throughRefuses), publicRefuses},
		{connectionRefused, rejected, http.StatusBadGateway, refusedError, typedIf(isThrough(throughBeyond, isAny(wordsRefused...)), throughReports("Connection refused", "refused the connection")), publicBeyond},
		{hostUnreachable, rejected, http.StatusBadGateway, dnsError, typedIf(isThrough(throughBeyond, isNoHost), throughReports("Name not found", "is not known to it")), publicBeyond},
		{ttlExpired, rejected, http.StatusGatewayTimeout, connectionTimeout, typedIf(isThrough(throughBeyond, throughTimedOut), throughReports("Timed out", "did not answer in time")), publicBeyond},
		{hostUnreachable, rejected, http.StatusBadGateway, unavailable, typedIf(isThrough(throughBeyond, nil), throughReports("Host unreachable", "cannot be reached")), publicBeyond},

		// In the cluster.
		{notAllowed, rejected, http.StatusForbidden, denied, typed(missingRights), publicForbidden},
		{notAllowed, rejected, http.StatusForbidden, denied, typed(forbidden), publicForbidden},
		{notAllowed, rejected, http.StatusForbidden, denied, typed(deniedChange), publicForbidden},
		{hostUnreachable, rejected, http.StatusServiceUnavailable, unavailable, typed(workload), nil},
		{notAllowed, rejected, http.StatusForbidden, denied, typed(hostNetwork), publicHostNetwork},
		{hostUnreachable, rejected, http.StatusBadGateway, notFoundError, typedIf(isKind(fault.Port), noPort), whole},
		{hostUnreachable, rejected, http.StatusBadGateway, addressUnroutable, typedIf(isKind(fault.Address), noAddress), whole},
		{hostUnreachable, rejected, http.StatusBadGateway, dnsError, typedIf(isKind(fault.Name), noName), whole},
		{hostUnreachable, rejected, http.StatusBadGateway, dnsError, typed(notFound), publicNotFound},
		{connectionRefused, rejected, http.StatusBadGateway, refusedError, typed(refused), whole},
		{hostUnreachable, rejected, http.StatusServiceUnavailable, unavailable, typed(noEndpoints), publicNoEndpoints},
		{hostUnreachable, rejected, http.StatusBadGateway, notFoundError, typed(unsupported), publicUnsupported},

		// On this machine.
		{generalFailure, rejected, http.StatusBadGateway, internalError, typed(path), nil},
		{generalFailure, rejected, http.StatusBadGateway, internalError, listen, nil},

		// On any way.
		{ttlExpired, rejected, http.StatusGatewayTimeout, dnsTimeout, typedIf(lookupTimedOut, lookup), whole},
		{ttlExpired, rejected, http.StatusGatewayTimeout, connectionTimeout, when(timedOut, words{
			"Timed out", "The target did not answer in time.", "It may be overloaded, or something on the way drops the connection.",
		}), whole},
		{hostUnreachable, rejected, http.StatusBadGateway, dnsError, typed(lookup), whole},
		{generalFailure, rejected, http.StatusBadGateway, headerSize, when(isAny(largeHead), words{
			"Header too large", "What the target answered has a larger header than Fairlead passes on, which is 64 KiB and 256 fields.",
			"Many targets with large ones at the same time get less.",
		}), whole},
		{generalFailure, rejected, http.StatusBadGateway, protocolError, typed(notHTTP), whole},
		{connectionRefused, rejected, http.StatusBadGateway, refusedError, when(isAny(wordsRefused...), words{
			"Connection refused", "The target refused the connection: nothing listens on that port.", "",
		}), whole},
		{networkUnreachable, rejected, http.StatusBadGateway, addressUnroutable, when(isAny(wordsNoNetwork...), words{
			"Network unreachable", "No network leads to the target from here.", "Check the network connection or the VPN.",
		}), whole},
		{hostUnreachable, rejected, http.StatusBadGateway, addressUnroutable, when(isAny(wordsNoHost...), words{
			"Host unreachable", "The target cannot be reached.", "Check the address, and the network connection or the VPN.",
		}), whole},
		{generalFailure, rejected, http.StatusBadGateway, terminated, typed(noAnswer), publicNoAnswer},
		{generalFailure, rejected, http.StatusBadGateway, terminated, when(isAny(wordsCut...), words{
			"Connection lost", "The connection to the target was closed from the other side.", "",
		}), whole},
		{notAllowed, rejected, http.StatusForbidden, denied, typed(otherSite), whole},
		{notAllowed, rejected, http.StatusForbidden, denied, permission, publicPermission},
		{generalFailure, rejected, http.StatusServiceUnavailable, limitReached, when(isAny(wordsTooMany...), words{
			"Too many connections", "Too many connections are open.", "Close some, or let this context have more in the settings: connections, below limits.",
		}), whole},
		{hostUnreachable, rejected, http.StatusBadGateway, notFoundError, when(isAny(errors.ErrUnsupported), words{
			"Cannot be carried", "Fairlead cannot carry this kind of connection.", "",
		}), whole},
		{generalFailure, rejected, http.StatusBadGateway, terminated, when(isAny(context.Canceled), words{
			"Given up", "The connection to the target was given up before it was made.", "",
		}), whole},
	}
}

// typed returns a function that explains errors of one type.
func typed[E error](say func(E) words) func(error) (words, bool) {
	return typedIf(func(E) bool { return true }, say)
}

// typedIf returns a function that explains errors of one type for which is returns true.
func typedIf[E error](is func(E) bool, say func(E) words) func(error) (words, bool) {
	return func(err error) (words, bool) {
		e, ok := errors.AsType[E](err)
		if !ok || !is(e) {
			return words{}, false
		}
		return say(e), true
	}
}

// when returns a function that explains errors for which is returns true, with fixed words.
func when(is func(error) bool, said words) func(error) (words, bool) {
	return func(err error) (words, bool) { return said, is(err) }
}

func isKind(kind fault.Kind) func(*fault.NotFound) bool {
	return func(e *fault.NotFound) bool { return e.Kind == kind }
}

func lookupTimedOut(e *net.DNSError) bool { return e.IsTimeout }
