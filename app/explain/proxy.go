package explain

import (
	"errors"
	"fmt"
	"net"

	"fairlead/kube/fault"
)

// isProxy reports whether an API server cannot be reached because of the forward proxy on the way to it.
func isProxy(e *fault.Unreachable) bool {
	_, ok := errors.AsType[*fault.Proxy](e.Err)
	return ok
}

// proxy explains a forward proxy that does not connect to the API server.
func proxy(e *fault.Unreachable) words {
	p, _ := errors.AsType[*fault.Proxy](e.Err)
	via, server := "proxy "+name(p.Proxy), "API server "+name(e.Server)
	x := words{title: "Proxy unusable", hint: proxySetting(p.Source)}
	switch p.Problem {
	case fault.ProxyLogin:
		x.sentence = fmt.Sprintf("The %s on the way to the %s wants a login, and does not accept what it was given.", via, server)
		x.hint = "Write its user and password into its URL, or correct them. " + x.hint
		return x
	case fault.ProxyDenies:
		x.sentence = fmt.Sprintf("The %s does not let connections through to the %s: %s.", via, server, Plain(fmt.Sprint(p.Err), textLength))
		return x
	case fault.ProxyBeyond:
		x.title = "API server not reachable"
		x.sentence = fmt.Sprintf("The %s cannot reach the %s: %s.", via, server, Plain(fmt.Sprint(p.Err), textLength))
		x.hint = "The cluster may be stopped, or lie elsewhere than this proxy leads. " + x.hint
		return x
	}
	x.sentence = unusable(via+" on the way to the "+server, p.Err)
	return x
}

// unusable returns the sentence for a server that this machine dials, and that is not the API server. err is from the dial.
func unusable(server string, err error) string {
	dns, isDNS := errors.AsType[*net.DNSError](err)
	switch {
	case isDNS && dns.IsNotFound:
		return fmt.Sprintf("The name of the %s is not known to this machine.", server)
	case isDNS:
		return fmt.Sprintf("The name of the %s could not be looked up.", server)
	case isAny(wordsRefused...)(err):
		return fmt.Sprintf("Nothing is listening at the address of the %s.", server)
	case untrusted(err):
		return fmt.Sprintf("The certificate of the %s is not one that this machine trusts.", server)
	case timedOut(err):
		return fmt.Sprintf("The %s does not answer.", server)
	case isAny(wordsCut...)(err):
		return fmt.Sprintf("The %s closed the connection.", server)
	}
	return sentence(fmt.Sprintf("The %s cannot be used: %v", server, err))
}

// proxySetting returns a hint that says where a forward proxy is set.
func proxySetting(source fault.ProxySource) string {
	switch source {
	case fault.ProxySettings:
		return "It is the context's api-proxy in the settings."
	case fault.ProxyKubeconfig:
		return "It is the cluster's proxy-url in the kubeconfig; api-proxy in the settings replaces it."
	case fault.ProxyEnvironment:
		return "It is set in the environment, as HTTPS_PROXY; api-proxy in the settings replaces it."
	}
	return ""
}
