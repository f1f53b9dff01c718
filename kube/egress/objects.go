// Package egress makes a small forward proxy in a cluster, reads how it is, and removes it: one Deployment and one Service.
// Hosts that only the cluster reaches are then reached through it, by Fairlead and by the cluster's own programs. The
// package makes and removes these two objects and no others, and knows what it has made by its label and by its UID.
package egress

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
)

// Name is the name of the Deployment and of the Service.
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

// configAnnotation is the annotation of the Pod that has the proxy's configuration, which the Pod gets as a file: so there
// is no third object, and no shell is needed in the image.
const configAnnotation = "fairlead/tinyproxy.conf"

// configuration is the proxy's configuration. The Pod's own user runs it, and its log goes to the standard output. It lets
// in the addresses that clusters use, so that it is no open proxy where Pods can be reached from elsewhere; port-forwards
// come from the Pod's localhost.
const configuration = `Port 8888
Timeout 600
MaxClients 200
LogLevel Warning
DisableViaHeader Yes
Allow 127.0.0.1
Allow ::1
Allow 10.0.0.0/8
Allow 100.64.0.0/10
Allow 172.16.0.0/12
Allow 192.168.0.0/16
Allow fc00::/7
`

// The limits of the Pod.
const (
	memoryLimit = "128Mi"
	cpuLimit    = "1"
)

// A Spec says what is made, and where.
type Spec struct {
	Namespace string
	Image     string // empty for DefaultImage
}

// An object is a Kubernetes object in the form of its JSON.
type object = map[string]any

// Objects returns the Service and the Deployment, in the order in which they are made.
func (s Spec) Objects() []map[string]any { return []map[string]any{s.service(), s.deployment()} }

func (s Spec) image() string {
	if s.Image == "" {
		return DefaultImage
	}
	return s.Image
}

func (s Spec) metadata() object {
	return object{"name": Name, "namespace": s.Namespace, "labels": labels()}
}

func labels() object { return object{labelName: Name, labelManagedBy: managedBy} }

func (s Spec) service() object {
	return object{
		"apiVersion": "v1", "kind": "Service", "metadata": s.metadata(),
		"spec": object{
			"type":     "ClusterIP",
			"selector": object{labelName: Name},
			"ports":    []object{{"name": "http-proxy", "port": Port, "targetPort": Port, "protocol": "TCP"}},
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
				"metadata": object{"labels": labels(), "annotations": object{configAnnotation: configuration}},
				"spec":     s.pod(),
			},
		},
	}
}

// pod returns the specification of the Pod, which fits the Pod Security level "restricted".
func (s Spec) pod() object {
	return object{
		"automountServiceAccountToken":  false,
		"enableServiceLinks":            false,
		"terminationGracePeriodSeconds": 5,
		"securityContext": object{
			"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
			"seccompProfile": object{"type": "RuntimeDefault"},
		},
		"containers": []object{{
			"name":  "proxy",
			"image": s.image(), "imagePullPolicy": "IfNotPresent",
			"command": []string{"tinyproxy", "-d", "-c", "/etc/fairlead/tinyproxy.conf"},
			"ports":   []object{{"name": "http-proxy", "containerPort": Port, "protocol": "TCP"}},
			"resources": object{
				"requests": object{"cpu": "10m", "memory": "32Mi"},
				"limits":   object{"cpu": cpuLimit, "memory": memoryLimit},
			},
			"securityContext": object{
				"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "privileged": false,
				"capabilities": object{"drop": []string{"ALL"}},
			},
			"readinessProbe": object{"tcpSocket": object{"port": Port}, "periodSeconds": 5},
			"volumeMounts": []object{
				{"name": "configuration", "mountPath": "/etc/fairlead", "readOnly": true},
				{"name": "tmp", "mountPath": "/tmp"},
			},
		}},
		"volumes": []object{
			{"name": "configuration", "downwardAPI": object{"items": []object{{
				"path": "tinyproxy.conf", "fieldRef": object{"fieldPath": "metadata.annotations['" + configAnnotation + "']"},
			}}}},
			{"name": "tmp", "emptyDir": object{"sizeLimit": "16Mi"}},
		},
	}
}

// Describe returns a line for each object that is made: what it is called, and what it is.
func (s Spec) Describe() [][2]string {
	return [][2]string{
		{"Service " + Name, fmt.Sprintf("port %d, for everything in the cluster that reaches it", Port)},
		{"Deployment " + Name, fmt.Sprintf("one Pod of the image %s, as an ordinary user, without capabilities and without a token of the API server, on a read-only root file system; at most %s of memory, and processors: %s", s.image(), memoryLimit, cpuLimit)},
	}
}

// URL returns the address of the proxy of a namespace, for Fairlead and for the cluster's programs.
func URL(namespace string) string { return fmt.Sprintf("http://%s.%s.svc:%d", Name, namespace, Port) }

// Variable is an environment variable in a container's specification.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Environment returns the variables that make a program in the cluster use the proxy for what is outside. domain is the
// cluster's DNS domain, and empty for the usual one; ranges are those of its Services and Pods, as far as they are known.
// KUBERNETES_SERVICE_HOST, which every container has, is replaced by the kubelet.
func Environment(namespace, domain string, ranges []netip.Prefix) []Variable {
	direct := []string{"localhost", "127.0.0.1", "::1", ".svc", "." + cmp.Or(domain, "cluster.local"), "$(KUBERNETES_SERVICE_HOST)"}
	for _, r := range ranges {
		if !r.IsSingleIP() { // others were seen by chance
			direct = append(direct, r.String())
		}
	}
	proxy, without := URL(namespace), strings.Join(direct, ",")
	return []Variable{
		{"HTTPS_PROXY", proxy}, {"HTTP_PROXY", proxy}, {"NO_PROXY", without},
		{"https_proxy", proxy}, {"http_proxy", proxy}, {"no_proxy", without},
	}
}
