package realnode

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// containerdConfiguration is valid for containerd 1.6 and for 2.2, which converts it. Without CAP_SYS_RESOURCE the
// kernel refuses an OOM score below the runtime's own.
const containerdConfiguration = `version = 2
root = "{dir}/containerd"
state = "{dir}/containerd-state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{dir}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{dir}/cni"
`

// networkConfiguration configures a bridge. In these namespaces it has no route out.
const networkConfiguration = `{"cniVersion": "1.0.0", "name": "pods", "plugins": [{
  "type": "bridge", "bridge": "pods0", "isGateway": true, "isDefaultGateway": true, "ipMasq": false, "hairpinMode": false,
  "ipam": {"type": "host-local", "dataDir": "{dir}/addresses", "ranges": [[{"subnet": "10.244.0.0/16"}]]}
}]}
`

// kubeletConfiguration allows control groups of version 1, and keeps the kubelet from removing images or evicting Pods
// when the disk is full.
const kubeletConfiguration = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: {address}
port: 10250
readOnlyPort: 0
healthzPort: 0
tlsCertFile: {state}/pki/kubelet.crt
tlsPrivateKeyFile: {state}/pki/kubelet.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: "{state}/pki/ca.crt"}}
authorization: {mode: Webhook}
featureGates: {ExtendWebSocketsToKubelet: {websockets}}
containerRuntimeEndpoint: unix://{socket}
cgroupDriver: cgroupfs
cgroupRoot: {cgroup}
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
podLogsDir: {dir}/pod-logs
volumePluginDir: {dir}/volume-plugins
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
resolvConf: ""
maxPods: 200
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%", imagefs.inodesFree: "0%"}
syncFrequency: 10s
fileCheckFrequency: 5s
nodeStatusUpdateFrequency: 5s
registerNode: true
serializeImagePulls: false
`

// writeConfiguration writes the configuration files of the runtime, the network and the kubelet.
func (n *Node) writeConfiguration() error {
	fill := strings.NewReplacer(
		"{dir}", n.dir, "{state}", n.config.State, "{socket}", n.socket(), "{pause}", pauseImage, "{plugins}", n.tools.cniDir,
		"{cgroup}", n.config.Cgroup, "{address}", n.config.Address, "{websockets}", fmt.Sprint(n.config.WebSockets),
	)
	for name, content := range map[string]string{
		"containerd.toml": containerdConfiguration, "cni/10-pods.conflist": networkConfiguration,
		"kubelet.yaml": kubeletConfiguration,
	} {
		path := filepath.Join(n.dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(fill.Replace(content)), 0o600); err != nil {
			return err
		}
	}
	return nil
}
