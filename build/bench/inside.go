package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"fairlead/build/bench/delayline"
	"fairlead/build/bench/process"
	"fairlead/build/bench/report"
	"fairlead/build/bench/row"
	"fairlead/build/bench/way"
	"fairlead/build/clustertest"
)

// inside runs the benchmark inside its namespace: it measures on each node and reports.
func inside(ctx context.Context, p parameters) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	line, err := startRole(ctx, p, self, roleLine, strconv.Itoa(p.MTU))
	if err != nil {
		return err
	}
	defer line.process.Stop()
	var runs []report.Run
	if p.Beside != "" {
		earlier, err := readRun(p.Beside)
		if err != nil {
			return err
		}
		runs = append(runs, earlier)
	}
	for _, node := range p.nodes() {
		result, err := measure(ctx, p, self, node)
		if len(result.Measures) > 0 {
			err = errors.Join(err, write(p, node, result))
		}
		if err != nil {
			return err
		}
		runs = append(runs, result)
	}
	if p.Readme != "" {
		return writeDocuments(p.Readme, runs[0])
	}
	if p.Node != clustertest.RealNode {
		return nil
	}
	return report.WriteBeside(os.Stdout, runs[0], runs[1])
}

// measure starts a cluster with that kind of node and the other programs, and runs the rows.
func measure(ctx context.Context, p parameters, self, node string) (result report.Run, err error) {
	say := progressPrinter(time.Now())
	say("start a Kubernetes cluster, node: %s", p.nodeName(node))
	cluster, err := clustertest.Launch(ctx, clustertest.Options{NoFixtures: true, Node: node, Containerd: p.Containerd})
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	admin := kubectl{command: []string{p.Cluster, "kubectl"}, kubeconfig: cluster.Kubeconfig}
	api, err := admin.server(ctx)
	if err != nil {
		return result, err
	}
	farSide, err := startRole(ctx, p, self, roleFar, api)
	if err != nil {
		return result, err
	}
	defer farSide.process.Stop()
	var said announced
	if err := json.Unmarshal([]byte(farSide.line), &said); err != nil {
		return result, err
	}
	lab := &row.Lab{Ports: said.Ports, Dir: p.Dir, Say: say}
	lab.Kinds = p.kinds(admin.command, &way.TLS{Command: []string{self, roleTLS}, Certificate: said.Certificate})
	if lab.Place, err = places(ctx, admin, said.Ports.API, p.Dir); err != nil {
		return result, err
	}
	if lab.Jittery, err = placeAt(ctx, admin, said.Ports.API, p.Dir, row.JitteryRoundTrip, row.Jitter); err != nil {
		return result, err
	}
	if lab.Pod, err = admin.createPod(ctx, p.pod(node, said.Ports.Plain)); err != nil {
		return result, err
	}
	lab.Sessions = sessions(node, cluster, admin.as("demo"), lab.Pod)
	lab.Streams = func(ctx context.Context, pods []string) (map[string]int64, error) { return streams(ctx, cluster, pods) }
	lab.Slow = func(ctx context.Context, d time.Duration) error {
		return cluster.Delay(ctx, lab.Pod.Namespace+"/"+lab.Pod.Name, 0, d)
	}
	lab.CreatePair = func(ctx context.Context) (row.Pair, error) { return admin.createPair(ctx, said.Ports.Plain) }
	lab.StartCrowd = func(ctx context.Context) (row.Crowd, func() error, error) { return startCrowd(ctx, p, say) }
	return run(ctx, p, node, lab)
}

// A role is this program running in another role, with its first line of output.
type role struct {
	process *process.Process
	line    string
}

func startRole(ctx context.Context, p parameters, self, name string, args ...string) (role, error) {
	started, err := process.Start(process.Config{Path: self, Args: append([]string{name}, args...), Dir: p.Dir, Name: name})
	if err != nil {
		return role{}, err
	}
	line, err := started.Line(ctx)
	if err != nil {
		started.Stop()
		return role{}, err
	}
	return role{started, line}, nil
}

// kinds returns the requested subjects.
func (p parameters) kinds(kubectl []string, tls *way.TLS) []way.Kind {
	var kinds []way.Kind
	if p.wants(report.Judged) {
		kinds = append(kinds, way.Fairlead(p.Fairlead))
	}
	if p.wants(report.Baseline) {
		kinds = append(kinds, &way.Kubectl{Command: kubectl})
	}
	if words := strings.Fields(p.Other); len(words) > 0 && p.wants("other") {
		kinds = append(kinds, &way.Proxy{Label: "other", Command: words})
	}
	if p.wants("TCP") {
		kinds = append(kinds, way.TCP{})
	}
	if p.wants("TLS") {
		kinds = append(kinds, tls)
	}
	return kinds
}

// places returns the far side without a delay and with each of the rows' round trips.
func places(ctx context.Context, admin kubectl, port int, dir string) (map[time.Duration]row.Place, error) {
	places := map[time.Duration]row.Place{0: {Host: "127.0.0.1", Kubeconfig: admin.kubeconfig}}
	for _, r := range row.RoundTrips() {
		place, err := placeAt(ctx, admin, port, dir, r, 0)
		if err != nil {
			return nil, err
		}
		places[r] = place
	}
	return places, nil
}

// placeAt returns the far side behind the delay line.
func placeAt(ctx context.Context, admin kubectl, port int, dir string, r, jitter time.Duration) (row.Place, error) {
	address, err := delayline.Address(r, jitter)
	if err != nil {
		return row.Place{}, err
	}
	host := address.String()
	kubeconfig, err := admin.kubeconfigFor(ctx, dir, net.JoinHostPort(host, strconv.Itoa(port)))
	return row.Place{Host: host, Kubeconfig: kubeconfig}, err
}
