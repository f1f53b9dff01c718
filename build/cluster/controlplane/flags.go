package controlplane

import "strings"

// etcdSocket is the socket on which etcd listens, in the state directory; the directory's mode is its access control.
const etcdSocket = "etcd.sock"

func (c *ControlPlane) etcdFlags() []string {
	return []string{
		"--name=cluster",
		"--data-dir=" + c.path("etcd"),
		"--unsafe-no-fsync",
		"--log-level=warn",
		"--listen-client-urls=unix://" + c.path(etcdSocket),
		// The peer socket is named relative to the working directory: etcd ignores the path of its URL.
		"--listen-peer-urls=unix://etcd-peer.sock",
		// No client dials what a single member advertises, but unix URLs are refused here.
		"--advertise-client-urls=http://127.0.0.1:2379",
		"--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=cluster=http://127.0.0.1:2380",
	}
}

func (c *ControlPlane) apiserverFlags() []string {
	flags := []string{
		"--bind-address=127.0.0.1",
		"--secure-port=" + c.address.port(),
		"--permit-port-sharing",         // the launcher has bound the port too, see reserve
		"--advertise-address=127.0.0.1", // otherwise it looks for a default route
		"--endpoint-reconciler-type=none",
		"--etcd-servers=unix://" + c.path(etcdSocket),
		"--tls-cert-file=" + c.path("pki", "apiserver.crt"),
		"--tls-private-key-file=" + c.path("pki", "apiserver.key"),
		"--client-ca-file=" + c.path("pki", "ca.crt"),
		"--anonymous-auth=false",
		"--token-auth-file=" + c.path("pki", "tokens.csv"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.path("pki", "sa.pub"),
		"--service-account-signing-key-file=" + c.path("pki", "sa.key"),
		"--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112",
		"--kubelet-client-certificate=" + c.path("pki", "apiserver-kubelet.crt"),
		"--kubelet-client-key=" + c.path("pki", "apiserver-kubelet.key"),
		"--kubelet-certificate-authority=" + c.path("pki", "ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
		"--enable-priority-and-fairness=false",
		"--profiling=false",
		"--v=1",
	}
	if c.config.Audit {
		flags = append(flags,
			"--audit-policy-file="+c.path("audit-policy.yaml"),
			"--audit-log-path="+c.path("audit.log"))
	}
	return flags
}

func (c *ControlPlane) controllerManagerFlags() []string {
	return []string{
		"--kubeconfig=" + c.path("pki", "controller-manager.kubeconfig"),
		"--secure-port=0",
		"--leader-elect=false",
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + c.path("pki", "sa.key"),
		"--root-ca-file=" + c.path("pki", "ca.crt"),
		"--allocate-node-cidrs=false",
		"--flex-volume-plugin-dir=" + c.path("flex"), // the default is made under /usr
		"--controllers=" + strings.Join(controllers, ","),
		"--v=1",
	}
}

func (c *ControlPlane) schedulerFlags() []string {
	return []string{
		"--kubeconfig=" + c.path("pki", "scheduler.kubeconfig"),
		"--secure-port=0",
		"--leader-elect=false",
		"--v=1",
	}
}

// controllers lists those that a cluster of pods and Services needs: with all of them the first ServiceAccount comes
// four seconds later, after the discovery of the quota controller.
var controllers = []string{
	"serviceaccount-controller", "root-ca-certificate-publisher-controller", "namespace-controller",
	"deployment-controller", "replicaset-controller", "statefulset-controller", "daemonset-controller",
	"endpointslice-controller", "endpointslice-mirroring-controller", "garbage-collector-controller",
	"pod-garbage-collector-controller", "node-lifecycle-controller", "clusterrole-aggregation-controller",
}
