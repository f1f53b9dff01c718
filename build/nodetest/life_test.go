//go:build node

package nodetest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/build/clustertest"
)

// upTime is how long a cluster with a real node may take to be ready, if it is already built.
const upTime = 10 * time.Second

// settings lists the machine's settings that a kubelet would change.
var settings = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
	"kernel/keys/root_maxbytes",
}

func machineSettings(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, name := range settings {
		value, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			t.Fatal(err)
		}
		values[name] = string(value)
	}
	return values
}

// footprint is what a running cluster has on the machine.
type footprint struct {
	launcher, init int
	state          string
	namespaces     map[string]string // by kind, as pid
	processes      []int             // in its namespaces
}

func footprintOf(t *testing.T, launcher int, state string) footprint {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(state, "init.pid"))
	if err != nil {
		t.Fatal(err)
	}
	b := footprint{launcher: launcher, state: state, namespaces: map[string]string{}}
	if b.init, err = strconv.Atoi(string(content)); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"pid", "mnt", "net", "ipc", "uts"} {
		if b.namespaces[kind], err = os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", b.init, kind)); err != nil {
			t.Fatal(err)
		}
		if own, err := os.Readlink("/proc/self/ns/" + kind); err != nil || own == b.namespaces[kind] {
			t.Errorf("the cluster has no %s namespace of its own: %v", kind, err)
		}
	}
	b.processes = b.alive(t)
	// kubelet, containerd, etcd, the three other programs of the control plane, the launcher inside and init.
	if len(b.processes) < 8 {
		t.Errorf("processes in the namespaces: %v", b.processes)
	}
	if len(b.cgroups(t)) == 0 {
		t.Error("the cluster has no control group")
	}
	return b
}

// alive returns the processes in the cluster's namespaces.
func (b footprint) alive(t *testing.T) []int {
	t.Helper()
	var found []int
	for kind, name := range b.namespaces {
		links, err := filepath.Glob("/proc/[0-9]*/ns/" + kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			if target, err := os.Readlink(link); err == nil && target == name {
				if pid, err := strconv.Atoi(strings.Split(link, "/")[2]); err == nil && !slices.Contains(found, pid) {
					found = append(found, pid)
				}
			}
		}
	}
	return found
}

func (b footprint) cgroups(t *testing.T) []string {
	t.Helper()
	name := fmt.Sprintf("fairlead-cluster-%d-*", b.launcher)
	var found []string
	for _, pattern := range []string{"/sys/fs/cgroup/" + name, "/sys/fs/cgroup/*/" + name} {
		groups, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, groups...)
	}
	return found
}

// left returns what is left of the cluster.
func (b footprint) left(t *testing.T) []string {
	t.Helper()
	left := b.cgroups(t)
	for _, pid := range b.alive(t) {
		left = append(left, fmt.Sprintf("process %d", pid))
	}
	if _, err := os.Stat(b.state); err == nil {
		left = append(left, b.state)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for mount := range strings.Lines(string(mounts)) {
		if strings.Contains(mount, b.state) {
			left = append(left, "mount "+strings.TrimSpace(mount))
		}
	}
	return left
}

// machineLinks returns the machine's network interfaces of the kinds that a node creates.
func machineLinks(t *testing.T) []string {
	t.Helper()
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, one := range interfaces {
		if strings.HasPrefix(one.Name, "pods") {
			names = append(names, one.Name)
		}
	}
	return names
}

func start(t *testing.T, version string) (*clustertest.Cluster, footprint) {
	t.Helper()
	c := clustertest.Start(t, clustertest.Options{Node: clustertest.RealNode, Containerd: version, NoFixtures: true})
	return c, footprintOf(t, c.PID(), c.State)
}

func prebuild(t *testing.T) {
	t.Helper()
	if _, err := clustertest.Binary(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	for _, version := range runtimes {
		if _, err := clustertest.NodeArgs(t.Context(), version, os.Stderr); err != nil {
			t.Fatal(err)
		}
	}
}

// webPod returns the manifest of a Pod that answers HTTP on port 8080, and is ready when it does.
func webPod(name string) string {
	return `{apiVersion: v1, kind: Pod, metadata: {name: ` + name + `}, spec: {terminationGracePeriodSeconds: 1,
		containers: [{name: http, image: "demo.local/http:1", imagePullPolicy: Never,
			startupProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}}]}}`
}

// runPod creates a Pod with the name one.
func runPod(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	apply(t, c, webPod("one"))
	kubectl(t, c, "wait", "--for=condition=Ready", "--timeout=30s", "pod/one")
}

func TestClustersComeUpInTimeOneAfterAnotherAndLeaveNothing(t *testing.T) {
	prebuild(t)
	settings, links := machineSettings(t), machineLinks(t)
	// Other load on the machine only makes a start longer, so the fastest counts.
	fastest := map[string]time.Duration{}
	for _, version := range slices.Concat(runtimes, runtimes) {
		began := time.Now()
		c, b := start(t, version)
		took := time.Since(began)
		t.Logf("containerd %s: ready after %v", version, took)
		if best, ok := fastest[version]; !ok || took < best {
			fastest[version] = took
		}
		now := kubectl(t, c, "get", "node", "node-1", "-o", "jsonpath={.status.nodeInfo.containerRuntimeVersion}")
		if !strings.HasPrefix(strings.Replace(now, "//v", "//", 1), "containerd://"+version+".") {
			t.Errorf("the node's runtime is %s, not containerd %s", now, version)
		}
		runPod(t, c)
		if now := machineSettings(t); fmt.Sprint(now) != fmt.Sprint(settings) {
			t.Errorf("settings while a node runs: %v, before: %v", now, settings)
		}
		began = time.Now()
		if err := c.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
		t.Logf("stopped after %v", time.Since(began))
		if left := b.left(t); len(left) > 0 {
			t.Errorf("left after a stop: %v", left)
		}
	}
	for version, took := range fastest {
		if took > upTime {
			t.Errorf("containerd %s: ready after %v at best, more than %v", version, took, upTime)
		}
	}
	if now := machineSettings(t); fmt.Sprint(now) != fmt.Sprint(settings) {
		t.Errorf("settings after all: %v, before: %v", now, settings)
	}
	if now := machineLinks(t); !slices.Equal(now, links) {
		t.Errorf("links after all: %v, before: %v", now, links)
	}
}

func TestKilledLauncherLeavesNothing(t *testing.T) {
	prebuild(t)
	for _, version := range runtimes {
		c, err := clustertest.Launch(t.Context(), clustertest.Options{
			Node: clustertest.RealNode, Containerd: version, NoFixtures: true, Log: os.Stderr,
		})
		if err != nil {
			t.Fatal(err)
		}
		b := footprintOf(t, c.PID(), c.State)
		runPod(t, c)
		// Also Pods and their shims, which are not children of the launcher.
		if err := syscall.Kill(c.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := c.Stop(); err == nil {
			t.Error("it was killed and ended without an error")
		}
		eventually(t, "nothing is left after kill -9", func() bool { return len(b.left(t)) == 0 })
	}
}

func TestEndOfATestEndsItsCluster(t *testing.T) {
	prebuild(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program)
	command.Env = append(os.Environ(), holder+"="+clustertest.Containerd16)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	var state string
	if _, err := fmt.Fscan(bufio.NewReader(output), &pid, &state); err != nil {
		_ = command.Process.Kill()
		t.Fatal(err, command.Wait())
	}
	b := footprintOf(t, pid, state)
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait() // killed
	eventually(t, "nothing is left after the test's death", func() bool { return len(b.left(t)) == 0 })
}

func TestInterruptedLauncherLeavesNothing(t *testing.T) {
	prebuild(t)
	c, err := clustertest.Launch(t.Context(), clustertest.Options{
		Node: clustertest.RealNode, NoFixtures: true, Log: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	b := footprintOf(t, c.PID(), c.State)
	if err := syscall.Kill(c.PID(), syscall.SIGINT); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	if err := c.Stop(); err != nil {
		t.Errorf("stop after an interrupt: %v", err)
	}
	if left := b.left(t); len(left) > 0 {
		t.Errorf("left after an interrupt: %v", left)
	}
}

func TestTwoClustersSideBySide(t *testing.T) {
	prebuild(t)
	one, first := start(t, clustertest.Containerd16)
	other, second := start(t, clustertest.Containerd22)
	for kind, namespace := range first.namespaces {
		if second.namespaces[kind] == namespace {
			t.Errorf("both have one %s namespace", kind)
		}
	}
	runPod(t, one)
	runPod(t, other)
	if err := one.Stop(); err != nil {
		t.Error(err)
	}
	if left := first.left(t); len(left) > 0 {
		t.Errorf("left of the first while the second runs: %v", left)
	}
	if ready := kubectl(t, other, "get", "pod", "one", "-o", "jsonpath={.status.containerStatuses[0].ready} {.status.containerStatuses[0].restartCount}"); ready != "true 0" {
		t.Errorf("the second's Pod after the first's end: ready and restarts %s", ready)
	}
	apply(t, other, webPod("two"))
	kubectl(t, other, "wait", "--for=condition=Ready", "--timeout=30s", "pod/two")
}

func TestMissingProgramsAreNamedWithTheCommandThatInstallsThem(t *testing.T) {
	prebuild(t)
	dir := t.TempDir() // a PATH with Go, to find the built cluster, and nothing else
	for _, name := range []string{"go"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	_, err := clustertest.Launch(t.Context(), clustertest.Options{Node: clustertest.RealNode})
	if err == nil {
		t.Fatal("it started without containerd")
	}
	for _, want := range []string{"containerd, ctr", "runc", "apt-get install -y --no-install-recommends containerd runc containernetworking-plugins"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not contain %q", err, want)
		}
	}
}
