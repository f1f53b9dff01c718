package way

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"fairlead/build/bench/process"
)

// Kubectl is kubectl port-forward with its defaults: one process per pod, one local port per port.
type Kubectl struct {
	Command []string // how to run kubectl, without arguments
}

func (k *Kubectl) Name() string { return "kubectl" }

func (k *Kubectl) InCluster() bool { return true }

// Open starts a port-forward to each pod among the targets.
func (k *Kubectl) Open(ctx context.Context, s Site) (Way, error) {
	w := &kubectlWay{ports: map[podPort]int{}}
	wanted := map[string]map[int]bool{}
	var pods []string
	for _, t := range s.Targets {
		if wanted[t.Pod] == nil {
			wanted[t.Pod] = map[int]bool{}
			pods = append(pods, t.Pod)
		}
		wanted[t.Pod][t.PodPort] = true
	}
	for _, pod := range pods {
		if err := k.forward(ctx, s, w, pod, wanted[pod]); err != nil {
			w.Close()
			return nil, err
		}
	}
	return w, nil
}

func (k *Kubectl) forward(ctx context.Context, s Site, w *kubectlWay, pod string, ports map[int]bool) error {
	namespace, name, _ := strings.Cut(pod, "/")
	args := append(k.Command[1:len(k.Command):len(k.Command)],
		"port-forward", "--kubeconfig", s.Kubeconfig, "--context", "demo", "--namespace", namespace, "--address", "127.0.0.1", "pod/"+name)
	for port := range ports {
		args = append(args, ":"+strconv.Itoa(port))
	}
	proc, err := process.Start(process.Config{Path: k.Command[0], Args: args, Dir: s.Dir, Name: "kubectl"})
	if err != nil {
		return err
	}
	w.processes = append(w.processes, proc)
	for range ports {
		line, err := proc.Line(ctx)
		if err != nil {
			return err
		}
		local, remote, err := parseForwarding(line)
		if err != nil {
			return err
		}
		w.ports[podPort{pod, remote}] = local
	}
	return nil
}

var forwarding = regexp.MustCompile(`^Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)$`)

// parseForwarding parses the line in which kubectl prints the port that it chose.
func parseForwarding(line string) (local, remote int, err error) {
	match := forwarding.FindStringSubmatch(line)
	if match == nil {
		return 0, 0, fmt.Errorf("unexpected output of kubectl: %q", line)
	}
	if local, err = strconv.Atoi(match[1]); err != nil {
		return 0, 0, err
	}
	remote, err = strconv.Atoi(match[2])
	return local, remote, err
}

type podPort struct {
	pod  string
	port int
}

type kubectlWay struct {
	ports     map[podPort]int
	processes []*process.Process
}

func (w *kubectlWay) Dial(ctx context.Context, t Target) (net.Conn, error) {
	local, ok := w.ports[podPort{t.Pod, t.PodPort}]
	if !ok {
		return nil, fmt.Errorf("port %d of pod %s is not forwarded", t.PodPort, t.Pod)
	}
	return dial(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(local)))
}

func (w *kubectlWay) Processes() []*process.Process { return w.processes }

func (w *kubectlWay) Close() {
	for _, p := range w.processes {
		p.Stop()
	}
}
