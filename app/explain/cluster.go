package explain

import (
	"cmp"
	"fmt"
	"strings"

	"fairlead/kube/fault"
)

func forbidden(e *fault.Forbidden) words {
	verbs := make([]string, len(e.Verbs))
	for i, verb := range e.Verbs {
		verbs[i] = name(verb)
	}
	where := "in this cluster"
	if e.Namespace != "" {
		where = "in namespace " + name(e.Namespace)
	}
	right := "use"
	if len(verbs) > 0 {
		right = strings.Join(verbs, " and ")
	}
	return words{
		title:    "Not allowed",
		sentence: fmt.Sprintf("Your login may not %s %s %s.", right, kinds(e.Resource), where),
		hint:     fmt.Sprintf("Ask the cluster's administrator for the right to %s %s there.", right, name(e.Resource)),
	}
}

// kinds are the objects of a resource, by the names in Kubernetes' documentation.
func kinds(resource string) string {
	switch resource {
	case "services":
		return "Services"
	case "secrets":
		return "Secrets"
	case "pods":
		return "Pods"
	case "nodes":
		return "Nodes"
	case "namespaces":
		return "Namespaces"
	case "deployments", "deployments.apps":
		return "Deployments"
	case "endpointslices", "endpointslices.discovery.k8s.io":
		return "EndpointSlices"
	}
	return name(resource)
}

func noPort(e *fault.NotFound) words {
	return words{
		title:    "No such port",
		sentence: fmt.Sprintf("Service %s/%s has no TCP port %s; it has %s.", name(e.Namespace), name(e.Service), name(e.Name), list(e.Has)),
	}
}

func noAddress(e *fault.NotFound) words {
	return words{
		title:    "No such address",
		sentence: fmt.Sprintf("No Service and no Pod of this cluster has the address %s.", name(e.Name)),
	}
}

// noName explains a host that ends like the cluster's names, and is not one.
func noName(e *fault.NotFound) words {
	x := words{
		title:    "No such name",
		sentence: fmt.Sprintf("%s is no name that this cluster has.", name(e.Name)),
		hint:     "A name is SERVICE.NAMESPACE.svc, POD.SERVICE.NAMESPACE.svc or POD.NAMESPACE.pod.",
	}
	if strings.HasPrefix(e.Name, "_") {
		x.sentence = fmt.Sprintf("%s is the name of an SRV record, which says where a port is and has no address itself.", name(e.Name))
		x.hint = "Ask for the Service: SERVICE.NAMESPACE.svc, with its port."
	}
	return x
}

func notFound(e *fault.NotFound) words {
	x := words{
		title:    "No such " + name(string(e.Kind)),
		sentence: fmt.Sprintf("There is no %s %s in namespace %s.", name(string(e.Kind)), name(e.Name), name(e.Namespace)),
	}
	switch e.Kind {
	case fault.Namespace:
		x.title = "No such namespace"
		x.sentence = fmt.Sprintf("There is no namespace %s in this cluster.", name(e.Name))
		x.hint = "Check the name: use SERVICE.NAMESPACE or SERVICE.NAMESPACE.svc."
	case fault.Pod:
		x.hint = "It may have been replaced by another one."
	default:
		meant := elsewhere(e.Name, e.Elsewhere)
		if near := listNames(e.Near); meant == "" && near != "" {
			meant = fmt.Sprintf("Perhaps %s was meant.", near)
		}
		x.hint = cmp.Or(meant, "Check the name: use SERVICE in the context's own namespace, or SERVICE.NAMESPACE.")
	}
	return x
}

// elsewhere returns the names under which a Service can be found that is not where it was looked for, or "".
func elsewhere(service string, namespaces []string) string {
	var names []string
	for _, namespace := range namespaces {
		names = append(names, service+"."+namespace+".svc")
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("Perhaps %s was meant.", listNames(names))
}

// listNames lists a few names.
func listNames(names []string) string {
	const most = 3
	var list []string
	for _, n := range names[:min(len(names), most)] {
		list = append(list, name(n))
	}
	return strings.Join(list, " or ")
}

// list lists up to eight ports.
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

func noEndpoints(e *fault.NoEndpoints) words {
	x := words{title: "Nothing ready"}
	namespace := name(e.Namespace)
	x.hint = "Wait until one is ready, or look at the Pods of that namespace."
	if simple(e.Namespace) {
		x.hint = fmt.Sprintf("Wait until one is ready, or look at the Pods: \u201ckubectl get pods -n %s\u201d.", e.Namespace)
	}
	var text string
	switch {
	case e.Pod != "":
		text = fmt.Sprintf("Pod %s/%s is not ready", namespace, name(e.Pod))
		x.hint = strings.Replace(x.hint, "one is", "it is", 1)
	case e.NotReady == 0 && e.Detail != "":
		text = fmt.Sprintf("Service %s/%s leads to no Pod", namespace, name(e.Service))
		x.hint = "Look at the Service and at what it selects."
		if simple(e.Namespace) && simple(e.Service) {
			x.hint = fmt.Sprintf("Look at the Service: \u201ckubectl describe service %s -n %s\u201d.", e.Service, e.Namespace)
		}
	case e.NotReady == 0:
		text = fmt.Sprintf("Service %s/%s has no Pod behind it", namespace, name(e.Service))
		x.hint = "What it stands for may be scaled to zero, or its selector matches no Pod."
	case e.NotReady == 1:
		text = fmt.Sprintf("The one Pod behind Service %s/%s is not ready", namespace, name(e.Service))
		x.hint = strings.Replace(x.hint, "one is", "it is", 1)
	default:
		text = fmt.Sprintf("None of the %d Pods behind Service %s/%s is ready", e.NotReady, namespace, name(e.Service))
	}
	x.sentence = text + quoted(e.Detail) + "."
	return x
}

func refused(e *fault.Refused) words {
	return words{
		title:    "Connection refused",
		sentence: fmt.Sprintf("Nothing is listening on port %d in Pod %s/%s.", e.Port, name(e.Namespace), name(e.Pod)),
		hint:     "The program there may be down, or use another port. One that listens on the Pod's own address only, and not on its localhost, is reached on some nodes and not on others.",
	}
}

func unsupported(e *fault.Unsupported) words {
	return words{
		title:    "Cannot be carried",
		sentence: sentence("Fairlead cannot carry this connection: " + e.What),
	}
}

func hostNetwork(e *fault.HostNetwork) words {
	node := "its node"
	if e.Node != "" {
		node = "its node " + name(e.Node)
	}
	return words{
		title:    "Node's own network",
		sentence: fmt.Sprintf("Pod %s/%s shares the network of %s: the connection would reach whatever listens on the node itself.", name(e.Namespace), name(e.Pod), node),
		hint:     "If that is what you want, allow it for this context in the settings: host-network: true.",
	}
}
