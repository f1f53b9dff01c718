package explain

import (
	"errors"

	"fairlead/kube/fault"
)

// A web page may read what is public. The page of a Service, which may be hostile, can read any response of its own
// origin, also once the Service is gone or the login has expired. So a response must not tell it where the API server
// is, what the contexts, users and nodes are called, what is on this machine, or what else the cluster has.

// sayMore ends a public text if there is more to say.
const sayMore = "Fairlead's menu and \u201cfairlead doctor\u201d say more."

// whole is for words that contain only facts about the target itself.
func whole(_ error, said words) words { return said }

// only returns a function for causes of which just these words are public.
func only(sentence, hint string) func(error, words) words {
	return func(error, words) words { return words{sentence: sentence, hint: hint} }
}

var (
	publicUnknown      = only("Fairlead could not make the connection.", sayMore)
	publicKubeconfig   = only("The kubeconfig's entry for the cluster cannot work.", sayMore)
	publicSignIn       = only("The cluster does not accept your login, or there is none.", "Log in to the cluster again. "+sayMore)
	publicProvider     = only("Your login to the cluster cannot be renewed just now.", sayMore)
	publicTrust        = only("The cluster's API server is not trusted.", sayMore)
	publicNode         = only("The node of the Pod could not carry the connection.", "The rest of the cluster can be reached. "+sayMore)
	publicBlocked      = only("Something on the way to the cluster does not let port-forwards through.", sayMore)
	publicKonnectivity = only("The connection to the cluster's network cannot be made.", sayMore)
	publicBusy         = only("The cluster's API server takes no requests just now.", "Try again in a while.")
	publicOversized    = only("The cluster's API server sent an answer that is too large to be read.", sayMore)
	publicUnreachable  = only("The cluster's API server cannot be reached.", "Check the network connection or the VPN. "+sayMore)
	publicForbidden    = only("Your login may not do what the connection needs.", "Ask the cluster's administrator for the right. "+sayMore)
	publicHostNetwork  = only("The Pod shares the network of its node: the connection would reach whatever listens on the node itself.",
		"If that is what you want, allow it for this context in the settings: host-network: true.")
	publicThrough     = only("The proxy on the way to the target does not lead there.", sayMore)
	publicRefuses     = only("The proxy on the way to the target does not let it be reached.", sayMore)
	publicBeyond      = only("The proxy on the way to the target cannot reach it.", sayMore)
	publicUnsupported = only("Fairlead cannot carry this connection.", sayMore)
)

// publicLogin distinguishes a login that has ended from one that the identity provider would renew if it could.
func publicLogin(err error, said words) words {
	if e, ok := errors.AsType[*fault.Login](err); ok && e.Provider != "" && e.Cause != fault.ProviderRefused {
		return publicProvider(err, said)
	}
	return publicSignIn(err, said)
}

// publicNotFound leaves out which other names the cluster has.
func publicNotFound(err error, said words) words {
	e, ok := errors.AsType[*fault.NotFound](err)
	if !ok {
		return said
	}
	bare := *e
	bare.Elsewhere, bare.Near = nil, nil
	return notFound(&bare)
}

// publicNoEndpoints leaves out the details, which may name other objects.
func publicNoEndpoints(err error, said words) words {
	e, ok := errors.AsType[*fault.NoEndpoints](err)
	if !ok {
		return said
	}
	bare := *e
	if bare.Detail != "" {
		bare.Detail = " " // that there are details still matters
	}
	return noEndpoints(&bare)
}

// publicNoAnswer leaves out which forward proxy was used.
func publicNoAnswer(_ error, said words) words {
	said.sentence = "The target closed the connection before it answered."
	return said
}

// publicPermission returns the text for web pages of an error that has one.
func publicPermission(err error, _ words) words {
	if e, ok := errors.AsType[interface {
		error
		PublicText() string
	}](err); ok {
		return words{sentence: sentence(e.PublicText())}
	}
	return words{sentence: "The connection is not allowed.", hint: sayMore}
}
