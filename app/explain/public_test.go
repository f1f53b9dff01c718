package explain_test

import (
	"strings"
	"testing"

	"fairlead/app/explain"
	"fairlead/kube/fault"
)

const (
	more         = " Fairlead's menu and “fairlead doctor” say more."
	signIn       = "The cluster does not accept your login, or there is none. Log in to the cluster again." + more
	server       = "The cluster's API server cannot be reached. Check the network connection or the VPN." + more
	node         = "The node of the Pod could not carry the connection. The rest of the cluster can be reached." + more
	trust        = "The cluster's API server is not trusted." + more
	rights       = "Your login may not do what the connection needs. Ask the cluster's administrator for the right." + more
	konnectivity = "The connection to the cluster's network cannot be made." + more
	unsaid       = "Fairlead could not make the connection." + more
)

// public lists causes of which only a part is public, by title, or by name if the title is not unique. The other causes
// are public as a whole.
var public = map[string]string{
	"Broken kubeconfig": "The kubeconfig's entry for the cluster cannot work." + more,

	"Login needed": signIn, "Login plugin missing": signIn, "Login plugin failed": signIn, "Login plugin denied": signIn, "Login plugin is new": signIn,
	"Identity provider failed": "Your login to the cluster cannot be renewed just now." + more,
	"API server not reachable": server, "Cluster not trusted": trust, "Proxy unusable": server,
	"Answer too large":      "The cluster's API server sent an answer that is too large to be read." + more,
	"API server busy":       "The cluster's API server takes no requests just now. Try again in a while.",
	"Port-forward blocked":  "Something on the way to the cluster does not let port-forwards through." + more,
	"Konnectivity unusable": konnectivity, "No Konnectivity agent": konnectivity,
	"Node unreachable": node, "Node out of order": node, "No port-forward there": node,
	"Node's own network": "The Pod shares the network of its node: the connection would reach whatever listens on the node itself. If that is what you want, allow it for this context in the settings: host-network: true.",
	"Cannot listen":      unsaid, "Port taken": unsaid, "No such file": unsaid, "File unusable": unsaid, "Failed": unsaid,
	"Rights missing": rights, "Not allowed in the cluster": rights,
	"Image not pulled": unsaid, "Pod refused": unsaid, "Quota exceeded": unsaid, "No node for the Pod": unsaid, "Container not started": unsaid, "Not Fairlead's": unsaid,
	"Made elsewhere": unsaid, "Still being removed": unsaid, "Another image": unsaid, "Another proxy": unsaid, "Certificate missing": unsaid, "Removed": unsaid, "Not ready": unsaid,
	"forbidden": rights, "forbidden by name": rights, "forbidden in the cluster": rights,

	"no Service here, but there":  "There is no Service web in namespace default. Check the name: use SERVICE in the context's own namespace, or SERVICE.NAMESPACE.",
	"no Service, but one like it": "There is no Service helo in namespace default. Check the name: use SERVICE in the context's own namespace, or SERVICE.NAMESPACE.",
	"no Pods, and why":            "Service shop/web leads to no Pod. Look at the Service: “kubectl describe service web -n shop”.",
	"Pod not ready":               "Pod shop/web-0 is not ready. Wait until it is ready, or look at the Pods: “kubectl get pods -n shop”.",
	"unsupported":                 "Fairlead cannot carry this connection." + more,

	"rule": "The connection is not allowed." + more, "rule, wrapped": "The connection is not allowed." + more, "firewall": "This machine does not allow the connection. A firewall on it may forbid it, or a sandbox that Fairlead runs in.",
	"rule with a public text": "x.corp:80 is not reachable through this proxy.",
	"no answer":               "The target closed the connection before it answered. It may have carried the request out, so Fairlead did not send it again.",
	"no answer twice":         "The target closed the connection before it answered. Fairlead asked twice. The program there may speak no HTTP on this port, or may have crashed: its log says more.",
}

func TestWhatIsPublic(t *testing.T) {
	for _, c := range causes {
		e := explain.Error(c.err)
		want, ok := public[c.name]
		if !ok {
			want, ok = public[c.title]
		}
		if !ok {
			want = c.text
		}
		if e.Public() != want {
			t.Errorf("%s: public is\n %s, want\n %s", c.name, e.Public(), want)
		}
	}
}

// Facts of the causes above about the user, the cluster and the way to it, and what the context's name adds.
func TestPublicTextsRevealNothing(t *testing.T) {
	private := []string{
		"api.example", "proxy.example", "api-proxy", "proxy-url", "HTTPS_PROXY", "10.1.1.1", "127.0.0.1", "other.example", "10.0.0.7", "staging", "the-context", "--context", "user u ", "cluster c ",
		"aws", "kubelogin", "kubectl version", "idp.example", "ABCD", "hunter2", "node-1", "node-7", "fargate", "/usr/", "/tmp", "/home", "/root", "/etc",
		" /k", " /t", " /1", " /2", "/ca", "/key", "portforward in", "team.svc", "hello was", "Pending", "selector (",
	}
	for _, c := range causes[1:] {
		e := explain.Error(c.err).In("the-context").For("asked.for:80")
		for _, text := range private {
			if strings.Contains(" "+e.Public(), text) {
				t.Errorf("%s: %q is public: %s", c.name, text, e.Public())
			}
		}
	}
	e := explain.Error(&fault.NoEndpoints{Service: "web", Namespace: "shop", NotReady: 1}).In("the-context")
	if !strings.Contains(e.Text(), "--context the-context") {
		t.Errorf("the context is not in %q", e.Text())
	}
}
