// Package egress makes a small forward proxy in a cluster, reads its state, and removes it: one Deployment and one Service,
// and a Secret if it makes certificates for them. Hosts that only the cluster reaches are then reached through it, by
// Fairlead and by the cluster's own programs. The package makes and removes these objects and no others, and knows what it
// has made by its label and by its UID.
package egress

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"time"
)

// Name is the name of all objects.
const Name = "fairlead-egress"

// Port is the port of the proxy.
const Port = 8888

// DefaultImage is the image of the proxy, unless there is another.
const DefaultImage = "vimagick/tinyproxy"

// The label and the values that mark what this package makes.
const (
	labelManagedBy = "app.kubernetes.io/managed-by"
	labelName      = "app.kubernetes.io/name"
	managedBy      = "fairlead"
)

// The annotations of the objects that say what was deployed.
const (
	kindAnnotation   = "fairlead/kind"
	secretAnnotation = "fairlead/tls-secret"
)

// configAnnotation is the annotation of the Pod that has the proxy's configuration, which the Pod gets as a file: so there
// is no third object, and no shell is needed in the image.
const configAnnotation = "fairlead/tinyproxy.conf"

// configuration returns tinyproxy's configuration. The Pod's own user runs it, and its log goes to the standard output.
func configuration() string {
	return fmt.Sprintf(`Port %d
Timeout 600
MaxClients 200
LogLevel Warning
DisableViaHeader Yes
Allow 127.0.0.1
Allow ::1
Allow %s
`, Port, strings.Join(clusterNetworks, "\nAllow "))
}

const cpuLimit = "1"

// A Spec says what is made, and where.
type Spec struct {
	Namespace string
	Image     string // empty for DefaultImage, if it is of tinyproxy
	Kind      Kind   // empty for Tinyproxy
	// TLSSecret is a Secret with a certificate for the proxy (tls.crt), its key (tls.key) and the authority of its clients'
	// certificates (ca.crt). Kind Fairlead then speaks TLS alone. Empty means no TLS.
	TLSSecret string
	// Certificates, if it is not nil, are what TLSSecret is made from, whose name is then Name.
	Certificates *Certificates
}

// An object is a Kubernetes object in the form of its JSON.
type object = map[string]any

// Objects returns what is made, in that order.
func (s Spec) Objects() []map[string]any {
	var objects []map[string]any
	for _, r := range s.resources() {
		objects = append(objects, s.object(r))
	}
	return objects
}

// resources returns what is made, in that order.
func (s Spec) resources() []resource {
	if s.Certificates == nil {
		return []resource{services, deployments}
	}
	return []resource{secrets, services, deployments}
}

func (s Spec) object(of resource) object {
	switch of {
	case secrets:
		return s.secret()
	case services:
		return s.service()
	}
	return s.deployment()
}

func (s Spec) image() string {
	return cmp.Or(s.Image, DefaultImage)
}

func (s Spec) metadata() object {
	annotations := object{kindAnnotation: string(s.kind())}
	if s.TLSSecret != "" {
		annotations[secretAnnotation] = s.TLSSecret
	}
	return object{"name": Name, "namespace": s.Namespace, "labels": labels(), "annotations": annotations}
}

func labels() object { return object{labelName: Name, labelManagedBy: managedBy} }

func (s Spec) service() object {
	return object{
		"apiVersion": "v1", "kind": "Service", "metadata": s.metadata(),
		"spec": object{
			"type":     "ClusterIP",
			"selector": object{labelName: Name},
			"ports":    []object{{"name": s.portName(), "port": Port, "targetPort": Port, "protocol": "TCP"}},
		},
	}
}

func (s Spec) deployment() object {
	return object{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": s.metadata(),
		"spec": object{
			"replicas":             1,
			"revisionHistoryLimit": 1,
			"selector":             object{"matchLabels": object{labelName: Name}},
			"template": object{
				"metadata": s.podMetadata(),
				"spec":     s.pod(),
			},
		},
	}
}

func (s Spec) podMetadata() object {
	metadata := object{"labels": labels()}
	if s.kind() == Tinyproxy {
		metadata["annotations"] = object{configAnnotation: configuration()}
	}
	return metadata
}

// pod returns the specification of the Pod, which fits the Pod Security level "restricted".
func (s Spec) pod() object {
	p := s.program()
	container := object{
		"name":  "proxy",
		"image": s.image(), "imagePullPolicy": "IfNotPresent",
		"resources": object{
			"requests": object{"cpu": "10m", "memory": "32Mi"},
			"limits":   object{"cpu": cpuLimit, "memory": p.memory},
		},
		"securityContext": object{
			"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "privileged": false,
			"capabilities": object{"drop": []string{"ALL"}},
		},
	}
	maps.Copy(container, p.container)
	pod := object{
		"automountServiceAccountToken": false,
		"enableServiceLinks":           false,
		"securityContext": object{
			"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
			"seccompProfile": object{"type": "RuntimeDefault"},
		},
		"containers": []object{container},
	}
	maps.Copy(pod, p.pod)
	return pod
}

// Describe returns a line for each object that is made: what it is called, and what it is.
func (s Spec) Describe() [][2]string {
	clients := "for everything in the cluster that reaches it"
	if s.TLSSecret != "" {
		clients = fmt.Sprintf("for clients with a certificate of the authority in Secret %s", s.TLSSecret)
	}
	lines := [][2]string{
		{"Service " + Name, fmt.Sprintf("port %d, %s", Port, clients)},
		{"Deployment " + Name, fmt.Sprintf("one Pod of the image %s, as an ordinary user, without capabilities and without a token of the API server, on a read-only root file system; at most %s of memory, and processors: %s", s.image(), s.program().memory, cpuLimit)},
	}
	if s.Certificates != nil {
		lines = append([][2]string{{"Secret " + Name, fmt.Sprintf("the proxy's certificate and its key, and the authority of the clients' certificates; valid until %s", time.Now().Add(Lifetime).Format(time.DateOnly))}}, lines...)
	}
	return lines
}

// URL returns the address of the proxy, for Fairlead and for the cluster's programs.
func (s Spec) URL() string {
	scheme := "http"
	if s.TLSSecret != "" {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s.%s.svc:%d", scheme, Name, s.Namespace, Port)
}

// hosts returns the names of the proxy of a namespace.
func hosts(namespace, domain string) []string {
	short := Name + "." + namespace
	return []string{Name, short, short + ".svc", short + ".svc." + cmp.Or(domain, usualDomain)}
}

// usualDomain is a cluster's DNS domain, unless there is another.
const usualDomain = "cluster.local"

// Variable is an environment variable in a container's specification.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Environment returns the variables that make a program in the cluster use the proxy for what is outside. domain is the
// cluster's DNS domain, and empty for the usual one; ranges are those of its Services and Pods, as far as they are known.
// KUBERNETES_SERVICE_HOST, which every container has, is replaced by the kubelet.
func Environment(namespace, domain string, ranges []netip.Prefix) []Variable {
	direct := []string{"localhost", "127.0.0.1", "::1", ".svc", "." + cmp.Or(domain, usualDomain), "$(KUBERNETES_SERVICE_HOST)"}
	for _, r := range ranges {
		if !r.IsSingleIP() { // others were seen by chance
			direct = append(direct, r.String())
		}
	}
	proxy, without := Spec{Namespace: namespace}.URL(), strings.Join(direct, ",")
	return []Variable{
		{"HTTPS_PROXY", proxy}, {"HTTP_PROXY", proxy}, {"NO_PROXY", without},
		{"https_proxy", proxy}, {"http_proxy", proxy}, {"no_proxy", without},
	}
}
