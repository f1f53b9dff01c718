package kube

import (
	"fmt"
	"strings"
	"testing"

	"fairlead/build/clustertest"
)

// forms are Services of all kinds that the fixtures lack, in their own namespace. Each answer of the program http has the
// name of its Pod.
const forms = `
apiVersion: v1
kind: Namespace
metadata: {name: forms}
---
apiVersion: v1
kind: Pod
metadata: {name: one, namespace: forms, labels: {app: one}}
spec:
  hostname: primary
  subdomain: members
  terminationGracePeriodSeconds: 0
  serviceAccountName: default
  automountServiceAccountToken: false
  containers: [{name: http, image: demo.local/http, imagePullPolicy: Never, ports: [{name: http, containerPort: 8080}, {name: admin, containerPort: 9100}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: shared, namespace: forms, labels: {app: shared}}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  containers: [{name: http, image: demo.local/http, imagePullPolicy: Never, ports: [{name: http, containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: members, namespace: forms}
spec: {clusterIP: None, selector: {app: one}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: dual, namespace: forms}
spec: {ipFamilyPolicy: RequireDualStack, selector: {app: one}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: both, namespace: forms}
spec: {selector: {app: one}, ports: [{name: udp, port: 53, protocol: UDP, targetPort: 9}, {name: tcp, port: 53, protocol: TCP, targetPort: admin}]}
---
apiVersion: v1
kind: Service
metadata: {name: udp, namespace: forms}
spec: {selector: {app: one}, ports: [{name: udp, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: balanced, namespace: forms}
spec: {type: LoadBalancer, externalIPs: [192.168.77.1], selector: {app: one}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: shared, namespace: forms}
spec: {selector: {app: shared}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: several, namespace: forms}
spec: {ports: [{name: http, port: 80}, {name: admin, port: 81}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: several-a, namespace: forms, labels: {kubernetes.io/service-name: several}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.255.1], targetRef: {kind: Pod, name: one, namespace: forms}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: several-b, namespace: forms, labels: {kubernetes.io/service-name: several}}
addressType: IPv6
ports: [{name: admin, port: 9100}]
endpoints: [{addresses: ["fd00:10:244::1"], targetRef: {kind: Pod, name: one, namespace: forms}}]
---
apiVersion: v1
kind: Service
metadata: {name: beyond, namespace: forms}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: beyond, namespace: forms, labels: {kubernetes.io/service-name: beyond}}
addressType: FQDN
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [db.example.com]}]
---
apiVersion: v1
kind: Service
metadata: {name: by-address-of-pod, namespace: forms}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: by-address-of-service, namespace: forms}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: forms}
spec: {type: ExternalName, externalName: members.forms.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: alias2, namespace: forms}
spec: {type: ExternalName, externalName: alias.forms.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: bare, namespace: forms}
spec: {clusterIP: None, selector: {app: dotted}}
---
apiVersion: v1
kind: Pod
metadata: {name: web.v1, namespace: forms, labels: {app: dotted}}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  containers: [{name: http, image: demo.local/http, imagePullPolicy: Never, ports: [{name: http, containerPort: 8080}, {name: admin, containerPort: 9100}]}]
---
apiVersion: v1
kind: Service
metadata: {name: site, namespace: forms}
spec: {type: ExternalName, externalName: www.example.com}
---
apiVersion: v1
kind: Service
metadata: {name: circle, namespace: forms}
spec: {type: ExternalName, externalName: circle.forms.svc.cluster.local}
`

// byAddress are EndpointSlices with addresses but no targetRef.
const byAddress = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: by-address-%s, namespace: forms, labels: {kubernetes.io/service-name: by-address-of-%s}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [%s]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: by-address-%s, namespace: forms, labels: {kubernetes.io/service-name: by-address-of-%s}}
addressType: IPv4
ports: [{name: http, port: 80}]
endpoints: [{addresses: [%s]}]
`

// aliasOfAddress is an ExternalName for a Pod's address.
const aliasOfAddress = `
apiVersion: v1
kind: Service
metadata: {name: alias-of-address, namespace: forms}
spec: {type: ExternalName, externalName: %s.forms.pod.cluster.local}
`

// makeForms creates forms, and writes the fields that only a cloud's controller or a dual-stack kubelet would set.
func makeForms(t *testing.T, cluster *clustertest.Cluster) {
	t.Helper()
	apply := cluster.KubectlCommand(t.Context(), "apply", "-f", "-")
	apply.Stdin = strings.NewReader(forms)
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v: %s", err, out)
	}
	kubectl(t, cluster, "wait", "--for=condition=Ready", "--timeout=60s", "-n", "forms", "pod/one", "pod/shared", "pod/web.v1")
	kubectl(t, cluster, "patch", "service", "balanced", "-n", "forms", "--subresource=status", "-p",
		`{"status":{"loadBalancer":{"ingress":[{"ip":"192.168.77.2"}]}}}`)
	ip := field(t, cluster, ".status.podIP", "pod", "one", "-n", "forms")
	kubectl(t, cluster, "patch", "pod", "one", "-n", "forms", "--subresource=status", "-p",
		fmt.Sprintf(`{"status":{"podIPs":[{"ip":%q},{"ip":"fd00:10:244::1"}]}}`, ip))
	alias := cluster.KubectlCommand(t.Context(), "apply", "-f", "-")
	alias.Stdin = strings.NewReader(fmt.Sprintf(aliasOfAddress, strings.ReplaceAll(ip, ".", "-")))
	if out, err := alias.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v: %s", err, out)
	}
	bare := cluster.KubectlCommand(t.Context(), "apply", "-f", "-")
	bare.Stdin = strings.NewReader(fmt.Sprintf(byAddress, "pod", "pod", ip, "service", "service",
		field(t, cluster, ".spec.clusterIP", "service", "dual", "-n", "forms")))
	if out, err := bare.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v: %s", err, out)
	}
	for _, service := range []string{"members", "dual", "both", "balanced", "shared", "bare"} {
		waitFor(t, "the endpoints of "+service, func() bool {
			return strings.Contains(kubectl(t, cluster, "get", "endpointslices", "-n", "forms", "-l", "kubernetes.io/service-name="+service,
				"-o", "jsonpath={.items[*].endpoints[*].conditions.ready}"), "true")
		})
	}
}
