package egress

import (
	"cmp"
	"fmt"
	"strings"
)

// A Kind is a program that is deployed.
type Kind string

// The values of Kind. Each is the name of its program.
const (
	Tinyproxy Kind = "tinyproxy"
	Fairlead  Kind = "fairlead" // "fairlead gateway", which can demand a certificate of its clients
)

// clusterNetworks are the addresses that clusters use. Where no certificate is demanded, only clients from them and from the
// Pod's loopback, where port-forwards come from, are let in, so that it is no open proxy where Pods can be reached from
// elsewhere.
var clusterNetworks = []string{"10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"}

// The paths in a container.
const (
	configFolder      = "/etc/fairlead"
	certificateFolder = "/etc/fairlead/tls"
)

// healthPort is where "fairlead gateway" answers probes.
const healthPort = 8889

func (s Spec) kind() Kind { return cmp.Or(s.Kind, Tinyproxy) }

// A program is how a Kind runs in its Pod: what the specifications of the container and of the Pod have for it.
type program struct {
	container, pod object
	memory         string // the limit
}

func (s Spec) program() program {
	if s.kind() == Fairlead {
		return s.gateway()
	}
	return s.tinyproxy()
}

// portName is the name of the proxy's port.
func (s Spec) portName() string {
	if s.TLSSecret != "" {
		return "https-proxy"
	}
	return "http-proxy"
}

func (s Spec) proxyPort() object {
	return object{"name": s.portName(), "containerPort": Port, "protocol": "TCP"}
}

func (s Spec) tinyproxy() program {
	configuration := object{"items": []object{{
		"path": "tinyproxy.conf", "fieldRef": object{"fieldPath": "metadata.annotations['" + configAnnotation + "']"},
	}}}
	return program{
		container: object{
			"command":        []string{"tinyproxy", "-d", "-c", configFolder + "/tinyproxy.conf"},
			"ports":          []object{s.proxyPort()},
			"readinessProbe": object{"tcpSocket": object{"port": Port}, "periodSeconds": 5},
			"volumeMounts": []object{
				{"name": "configuration", "mountPath": configFolder, "readOnly": true},
				{"name": "tmp", "mountPath": "/tmp"},
			},
		},
		pod: object{
			"terminationGracePeriodSeconds": 5,
			"volumes": []object{
				{"name": "configuration", "downwardAPI": configuration},
				{"name": "tmp", "emptyDir": object{"sizeLimit": "16Mi"}},
			},
		},
		memory: "128Mi",
	}
}

// gateway returns "fairlead gateway" as the entry point of its image runs it.
func (s Spec) gateway() program {
	probe := func(path string) object {
		return object{"httpGet": object{"path": path, "port": "health"}, "periodSeconds": 5}
	}
	arguments := []string{"gateway", "--listen", fmt.Sprintf(":%d", Port), "--health", fmt.Sprintf(":%d", healthPort)}
	p := program{
		container: object{
			"ports":          []object{s.proxyPort(), {"name": "health", "containerPort": healthPort, "protocol": "TCP"}},
			"readinessProbe": probe("/readyz"), "livenessProbe": probe("/healthz"),
		},
		pod:    object{"terminationGracePeriodSeconds": 15}, // it gives open connections 8 s
		memory: "256Mi",
	}
	if s.TLSSecret == "" {
		p.container["args"] = append(arguments, "--allow-from", "127.0.0.0/8,::1/128,"+strings.Join(clusterNetworks, ","))
		return p
	}
	file := func(name string) string { return certificateFolder + "/" + name }
	p.container["args"] = append(arguments, "--tls-cert", file(certFile), "--tls-key", file(keyFile), "--client-ca", file(authorityFile))
	p.container["volumeMounts"] = []object{{"name": "tls", "mountPath": certificateFolder, "readOnly": true}}
	p.pod["volumes"] = []object{{"name": "tls", "secret": object{"secretName": s.TLSSecret, "defaultMode": 0o440}}}
	return p
}

// The files of the Secret with the certificates, as cert-manager names them too.
const (
	certFile, keyFile, authorityFile = "tls.crt", "tls.key", "ca.crt"
)

// secret returns the Secret with the proxy's own certificates.
func (s Spec) secret() object {
	return object{
		"apiVersion": "v1", "kind": "Secret", "metadata": s.metadata(), "type": "kubernetes.io/tls",
		"data": map[string][]byte{certFile: s.Certificates.Server, keyFile: s.Certificates.ServerKey, authorityFile: s.Certificates.Authority},
	}
}
