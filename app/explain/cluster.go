package explain

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os/exec"
	"strings"

	"fairlead/kube/fault"
)

func login(e *fault.Login) Explanation {
	context := name(e.Context)
	x := Explanation{
		Title:    "Login needed",
		Sentence: fmt.Sprintf("The cluster does not accept the login of context %s%s.", context, reason(e.Err)),
		Hint:     "Sign in again, the way this context's kubeconfig was made; then switch the context off and on.",
		SOCKS5:   generalFailure,
		Status:   http.StatusBadGateway,
	}
	if e.Plugin == "" {
		return x
	}
	program := fmt.Sprintf("The program %s, which signs in to context %s,", name(e.Plugin), context)
	x.Title = "Login plugin failed"
	x.Hint = try(e.Context)
	switch {
	case missing(e.Err):
		x.Title = "Login plugin missing"
		x.Sentence = program + " was not found on this machine."
		x.Hint = "Install it, or put its folder on the PATH that Fairlead is started with."
	case timedOut(e.Err):
		x.Sentence = program + " did not finish in time."
	default:
		x.Sentence = program + " failed" + reason(e.Err) + "."
	}
	return x
}

// missing tells whether a program was not there to be run. client-go hands on no more than its text.
func missing(err error) bool {
	return errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) ||
		err != nil && strings.HasSuffix(err.Error(), "not found")
}

// reason is what err says about a login, after a colon, if those are a few plain words. All else may quote what a
// plugin printed, which may be a credential.
func reason(err error) string {
	const mostWords, longestWord = 16, 15
	if err == nil {
		return ""
	}
	words := strings.Split(strings.TrimSuffix(err.Error(), "."), " ")
	for _, word := range words {
		if len(words) > mostWords || len(word) > longestWord || strings.Trim(strings.TrimSuffix(word, ","), wordLetters) != "" {
			return ""
		}
	}
	return ": " + strings.Join(words, " ")
}

const wordLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'-"

// try says how to see more of a login that fails.
func try(context string) string {
	if !simple(context) {
		return "Run kubectl with this context in a terminal to see what it says."
	}
	return fmt.Sprintf("Run \u201ckubectl --context %s version\u201d in a terminal to see what it says.", context)
}

func unreachable(e *fault.Unreachable) Explanation {
	server := "API server " + name(e.Server)
	x := Explanation{
		Title:    "Cluster unreachable",
		Sentence: fmt.Sprintf("The %s cannot be reached.", server),
		Hint:     "Check the network connection or the VPN.",
		SOCKS5:   networkUnreachable,
		Status:   http.StatusBadGateway,
	}
	if strings.Contains(e.Server, " ") {
		// No address but words: it lies behind the API server, which was reached.
		x.Title = "Pod unreachable"
		x.Sentence = fmt.Sprintf("%s cannot be reached from its node.", name(e.Server))
		x.Hint = "The program there may listen on another address, or the Pod may be on its way out."
		return x
	}
	if sentence, hint := certificate(e.Err, server); sentence != "" {
		x.Title, x.Sentence, x.Hint = "Cluster not trusted", sentence, hint
		return x
	}
	dns, isDNS := errors.AsType[*net.DNSError](e.Err)
	_, isNet := errors.AsType[net.Error](e.Err)
	switch {
	case isDNS && dns.IsNotFound:
		x.Sentence = fmt.Sprintf("The name of the %s is not known to this machine.", server)
	case isDNS:
		x.Sentence = fmt.Sprintf("The name of the %s could not be looked up.", server)
	case isAny(wordsRefused...)(e.Err):
		x.Sentence = fmt.Sprintf("Nothing listens at the address of the %s.", server)
		x.Hint = "The cluster may be stopped, or have moved to another address."
	case timedOut(e.Err):
		x.Sentence = fmt.Sprintf("The %s does not answer.", server)
	case isAny(wordsCut...)(e.Err):
		x.Sentence = fmt.Sprintf("The %s closed the connection.", server)
		x.Hint = "Something on the way may cut connections: check the VPN or the company's proxy."
	case e.Err != nil && !isNet:
		// It was reached, and is no use.
		x.Sentence = sentence(fmt.Sprintf("The %s cannot be used: %v", server, e.Err))
		x.Hint = ""
	}
	return x
}

// certificate explains a server that answered and is not trusted; empty if err is something else.
func certificate(err error, server string) (sentence, hint string) {
	const other = "The context's certificate authority may be out of date, or something on the way answers in the cluster's place."
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return fmt.Sprintf("The certificate of the %s has expired or is not valid yet.", server),
			"The cluster's administrator has to renew it, unless this machine's clock is wrong."
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf("The certificate of the %s is for another name.", server), other
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return fmt.Sprintf("The %s answers, but not in TLS.", server), "Something on the way may answer in the cluster's place."
	}
	_, verify := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	if verify || authority {
		return fmt.Sprintf("The certificate of the %s is not one that this context trusts.", server), other
	}
	return "", ""
}

func forbidden(e *fault.Forbidden) Explanation {
	verbs := make([]string, len(e.Verbs))
	for i, verb := range e.Verbs {
		verbs[i] = name(verb)
	}
	object := name(e.Resource)
	if e.Name != "" {
		object += " " + name(e.Name)
	}
	where := "in this cluster"
	if e.Namespace != "" {
		where = "in namespace " + name(e.Namespace)
	}
	right := "use"
	if len(verbs) > 0 {
		right = strings.Join(verbs, " and ")
	}
	return Explanation{
		Title:    "Not allowed",
		Sentence: fmt.Sprintf("Your login has no right to %s %s %s.", right, object, where),
		Hint:     fmt.Sprintf("Ask the cluster's administrator for the right to %s %s there.", right, name(e.Resource)),
		SOCKS5:   notAllowed,
		Status:   http.StatusForbidden,
	}
}

func notFound(e *fault.NotFound) Explanation {
	x := Explanation{SOCKS5: hostUnreachable, Status: http.StatusBadGateway}
	switch e.Kind {
	case fault.Port:
		x.Title = "No such port"
		x.Sentence = fmt.Sprintf("Service %s/%s has no TCP port %s; it has %s.", name(e.Namespace), name(e.Service), name(e.Name), list(e.Has))
	case fault.Namespace:
		x.Title = "No such namespace"
		x.Sentence = fmt.Sprintf("There is no namespace %s in this cluster.", name(e.Name))
		x.Hint = "Check the name: it is SERVICE.NAMESPACE or SERVICE.NAMESPACE.svc."
	case fault.Address:
		x.Title = "No such address"
		x.Sentence = fmt.Sprintf("No Service and no Pod of this cluster has the address %s.", name(e.Name))
	case fault.Pod:
		x.Title = "No such Pod"
		x.Sentence = fmt.Sprintf("There is no Pod %s in namespace %s.", name(e.Name), name(e.Namespace))
		x.Hint = "It may have been replaced by another one."
	default:
		x.Title = "No such " + name(string(e.Kind))
		x.Sentence = fmt.Sprintf("There is no %s %s in namespace %s.", name(string(e.Kind)), name(e.Name), name(e.Namespace))
		x.Hint = "Check the name: it is SERVICE, for the context's own namespace, or SERVICE.NAMESPACE."
	}
	return x
}

// list names up to eight ports.
func list(ports []string) string {
	const most = 8
	if len(ports) == 0 {
		return "none"
	}
	names := make([]string, 0, most+1)
	for i, port := range ports {
		if i == most {
			names = append(names, fmt.Sprintf("%d more", len(ports)-most))
			break
		}
		names = append(names, name(port))
	}
	return strings.Join(names, ", ")
}

func noEndpoints(e *fault.NoEndpoints) Explanation {
	x := Explanation{Title: "Nothing ready", SOCKS5: hostUnreachable, Status: http.StatusServiceUnavailable}
	namespace := name(e.Namespace)
	x.Hint = "Wait until one is ready, or look at the Pods of that namespace."
	if simple(e.Namespace) {
		x.Hint = fmt.Sprintf("Wait until one is ready, or look at the Pods: \u201ckubectl get pods -n %s\u201d.", e.Namespace)
	}
	var text string
	switch {
	case e.Pod != "":
		text = fmt.Sprintf("Pod %s/%s is not ready", namespace, name(e.Pod))
		x.Hint = strings.Replace(x.Hint, "one is", "it is", 1)
	case e.NotReady == 0:
		text = fmt.Sprintf("Service %s/%s has no Pod behind it", namespace, name(e.Service))
		x.Hint = "What it stands for may be scaled to zero, or its selector matches no Pod."
	case e.NotReady == 1:
		text = fmt.Sprintf("The one Pod behind Service %s/%s is not ready", namespace, name(e.Service))
		x.Hint = strings.Replace(x.Hint, "one is", "it is", 1)
	default:
		text = fmt.Sprintf("None of the %d Pods behind Service %s/%s is ready", e.NotReady, namespace, name(e.Service))
	}
	if detail := strings.TrimRight(Plain(e.Detail, textLength), " ."); detail != "" {
		text += " (" + detail + ")"
	}
	x.Sentence = text + "."
	return x
}

func refused(e *fault.Refused) Explanation {
	return Explanation{
		Title:    "Connection refused",
		Sentence: fmt.Sprintf("Nothing listens on port %d in Pod %s/%s.", e.Port, name(e.Namespace), name(e.Pod)),
		Hint:     "The program there may be down, use another port, or listen on the Pod's own IP address only and not on its localhost.",
		SOCKS5:   connectionRefused,
		Status:   http.StatusBadGateway,
	}
}

func unsupported(e *fault.Unsupported) Explanation {
	return Explanation{
		Title:    "Cannot be carried",
		Sentence: sentence("Fairlead cannot carry this connection: " + e.What),
		SOCKS5:   hostUnreachable,
		Status:   http.StatusBadGateway,
	}
}
