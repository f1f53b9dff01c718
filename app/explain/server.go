package explain

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"fairlead/kube/fault"
)

// The hint for an API server at whose address nothing listens, and for several of them.
const (
	stopped     = "The cluster may be stopped or may have moved to another address."
	manyStopped = "The clusters may be stopped or may have moved to other addresses."
)

// ForSeveral returns the hint for several contexts that all have this one.
func ForSeveral(hint string) string {
	if hint == stopped {
		return manyStopped
	}
	return hint
}

// unreachable explains an API server that cannot be used, whatever the error on the way to it.
func unreachable(e *fault.Unreachable) words {
	server := "API server " + name(e.Server)
	x := words{
		title:    "API server not reachable",
		sentence: fmt.Sprintf("The %s cannot be reached.", server),
		hint:     "Check the network connection or the VPN.",
	}
	dns, isDNS := errors.AsType[*net.DNSError](e.Err)
	_, isNet := errors.AsType[net.Error](e.Err)
	switch {
	case isDNS && dns.IsNotFound:
		x.sentence = fmt.Sprintf("The name of the %s is not known to this machine.", server)
	case isDNS:
		x.sentence = fmt.Sprintf("The name of the %s could not be looked up.", server)
	case isAny(wordsRefused...)(e.Err):
		x.sentence = fmt.Sprintf("Nothing is listening at the API server's address %s.", name(e.Server))
		x.hint = stopped
	case timedOut(e.Err):
		x.sentence = fmt.Sprintf("The %s does not answer.", server)
	case isAny(wordsCut...)(e.Err):
		x.sentence = fmt.Sprintf("The %s closed the connection.", server)
		x.hint = "Something on the way may cut connections: check the VPN or the company's proxy."
	case e.Err != nil && !isNet:
		// It was reached, but cannot be used.
		x.sentence = sentence(fmt.Sprintf("The %s cannot be used: %v", server, e.Err))
		x.hint = ""
	}
	return x
}

// isBehind reports whether the fault is of something behind the API server, which is described in words and has no
// address.
func isBehind(e *fault.Unreachable) bool { return strings.Contains(e.Server, " ") }

func behind(e *fault.Unreachable) words {
	return words{
		title:    "Pod unreachable",
		sentence: fmt.Sprintf("%s cannot be reached from its node.", name(e.Server)),
		hint:     "The program there may listen on another address, or the Pod may be on its way out.",
	}
}

// inPlace is the hint if something other than the cluster may have answered.
const inPlace = "The context's certificate authority may be out of date, or something on the way answers in the cluster's place."

// isCertificate reports whether a server answered that is not trusted.
func isCertificate(e *fault.Unreachable) bool {
	_, verify := errors.AsType[*tls.CertificateVerificationError](e.Err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](e.Err)
	_, host := errors.AsType[x509.HostnameError](e.Err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](e.Err)
	return verify || authority || host || invalid
}

func certificate(e *fault.Unreachable) words {
	server := "API server " + name(e.Server)
	x := words{title: "Cluster not trusted", hint: inPlace}
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](e.Err)
	_, isHost := errors.AsType[x509.HostnameError](e.Err)
	switch {
	case isInvalid && invalid.Reason == x509.Expired:
		x.sentence = fmt.Sprintf("The certificate of the %s has expired or is not valid yet.", server)
		x.hint = "The cluster's administrator has to renew it, unless this machine's clock is wrong."
	case isHost:
		x.sentence = fmt.Sprintf("The certificate of the %s is for another name.", server)
	default:
		x.sentence = fmt.Sprintf("The certificate of the %s is not one that this context trusts.", server)
	}
	return x
}

func isNoTLS(e *fault.Unreachable) bool {
	_, ok := errors.AsType[tls.RecordHeaderError](e.Err)
	return ok || errors.Is(e.Err, http.ErrSchemeMismatch)
}

func noTLS(e *fault.Unreachable) words {
	return words{
		title:    "Cluster not trusted",
		sentence: fmt.Sprintf("The API server %s answers, but not in TLS.", name(e.Server)),
		hint:     "Something on the way may answer in the cluster's place.",
	}
}

// isRedirect reports whether an API server redirects requests to another server.
func isRedirect(e *fault.Unreachable) bool {
	_, ok := errors.AsType[*fault.Redirect](e.Err)
	return ok
}

func redirect(e *fault.Unreachable) words {
	cause, _ := errors.AsType[*fault.Redirect](e.Err)
	return words{
		title:    "Cluster not trusted",
		sentence: fmt.Sprintf("The API server %s redirects to %s, which is not followed: the login would go along.", name(e.Server), name(cause.To)),
		hint:     "Check the server's address in the kubeconfig. A sign-in page or a proxy on the way may answer in the cluster's place.",
	}
}

// oversized explains an answer that was too large to read to its end.
func oversized(e *fault.Oversized) words {
	bound := fmt.Sprintf("has more than %d %s", e.Bound, e.Of)
	switch e.Of {
	case fault.Bytes:
		bound = fmt.Sprintf("has more than %d KiB", e.Bound>>10)
	case fault.Memory:
		bound = fmt.Sprintf("takes more than %d MiB of memory", e.Bound>>20)
	}
	return words{
		title:    "Answer too large",
		sentence: fmt.Sprintf("The API server %s sent an answer that is too large to be read: it %s.", name(e.Server), bound),
		hint:     "The answers of a cluster are far smaller. Something on the way may answer in the cluster's place; else tell the cluster's administrator.",
	}
}
