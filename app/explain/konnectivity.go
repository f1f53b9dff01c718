package explain

import (
	"errors"
	"fmt"
	"net"

	"fairlead/kube/fault"
)

// isServersFault reports whether a Konnectivity server made no connection for another reason than the target.
func isServersFault(e *fault.Konnectivity) bool { return e.Problem != fault.KonnectivityBeyond }

// konnectivity explains a Konnectivity server that cannot be used.
func konnectivity(e *fault.Konnectivity) words {
	server := "Konnectivity server " + name(e.Server)
	x := words{title: "Konnectivity unusable", hint: "It is the server of the context's konnectivity in the settings, or of --konnectivity-server."}
	switch e.Problem {
	case fault.KonnectivityNoAgent:
		return words{
			title:    "No Konnectivity agent",
			sentence: fmt.Sprintf("No agent of the cluster is connected to the %s.", server),
			hint:     "Look at the agents in the cluster: “kubectl get pods -A -l k8s-app=konnectivity-agent”. The cluster may have no node.",
		}
	case fault.KonnectivityCertificate:
		x.sentence = fmt.Sprintf("The %s wants a client certificate that it knows, and does not accept what it was given.", server)
		x.hint = "The certificate and the key are cert and key of the context's konnectivity in the settings, or --konnectivity-cert and --konnectivity-key."
		return x
	}
	x.sentence = unusable(server, e.Err)
	return x
}

// isUnknownThere reports whether an agent could not look a name up.
func isUnknownThere(e *fault.Konnectivity) bool {
	_, ok := errors.AsType[*net.DNSError](e.Err)
	return ok && e.Problem == fault.KonnectivityBeyond
}

// unknownThere explains a name that the cluster's DNS does not know.
func unknownThere(e *fault.Konnectivity) words {
	d, _ := errors.AsType[*net.DNSError](e.Err)
	x := words{title: "Name not found", sentence: fmt.Sprintf("The cluster's DNS knows no host %s.", name(d.Name)), hint: "Check the name."}
	if !d.IsNotFound {
		x.title = "Name lookup failed"
		x.sentence = fmt.Sprintf("The cluster's DNS could not look the name %s up.", name(d.Name))
		x.hint = "Look at the cluster's DNS: “kubectl get pods -n kube-system -l k8s-app=kube-dns”."
	}
	return x
}
