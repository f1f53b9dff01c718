package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fairlead/build/bench/report"
	"fairlead/build/clustertest"
)

func TestUnsuitableNodesAreRefusedBeforeAnythingStarts(t *testing.T) {
	for line, want := range map[string]string{
		"--node virtual":                    "there are streaming and real",
		"--node real --containerd 1.7":      "there are 1.6 and 2.2",
		"--beside bench.json":               "--node real",
		"--node real --row 10":              "row 10 needs the streaming node",
		"--node real --row 11":              "row 11 needs the streaming node",
		"--node real --row 12":              "row 12 needs the streaming node",
		"--node real --row 10 --beside x.x": "row 10 needs the streaming node",
	} {
		err := runCommand(context.Background(), strings.Fields(line))
		var usage *usageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

func TestTwoNodesAreMeasuredUnlessOneWas(t *testing.T) {
	for _, c := range []struct {
		p    parameters
		want []string
	}{
		{parameters{Node: clustertest.StreamingNode}, []string{"streaming"}},
		{parameters{Node: clustertest.RealNode}, []string{"streaming", "real"}},
		{parameters{Node: clustertest.RealNode, Beside: "bench.json"}, []string{"real"}},
	} {
		if got := c.p.nodes(); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.p, got, c.want)
		}
	}
}

func TestComparedNodesHaveRows1To9(t *testing.T) {
	var numbers []int
	for _, r := range (parameters{Node: clustertest.RealNode}).rows() {
		numbers = append(numbers, r.Number)
	}
	if want := []int{1, 2, 3, 4, 5, 6, 7, 8, 9}; !slices.Equal(numbers, want) {
		t.Errorf("rows %v, want %v", numbers, want)
	}
	if rows := (parameters{Node: clustertest.StreamingNode, Row: 10}).rows(); len(rows) != 1 || rows[0].Number != 10 {
		t.Errorf("row 10 alone: %v", rows)
	}
}

func TestFilesOfTheRealNodeHaveTheirOwnNames(t *testing.T) {
	if got := withNode("bin/bench/bench.json", clustertest.RealNode); got != "bin/bench/bench-real.json" {
		t.Error(got)
	}
}

func TestPortForwardsAreCountedAmongAllRequests(t *testing.T) {
	const metrics = `# HELP apiserver_longrunning_requests [STABLE] Gauge
# TYPE apiserver_longrunning_requests gauge
apiserver_longrunning_requests{component="apiserver",group="",resource="pods",scope="namespace",subresource="",verb="WATCH",version="v1"} 7
apiserver_longrunning_requests{component="apiserver",group="",resource="pods",scope="resource",subresource="portforward",verb="CONNECT",version="v1"} 3
apiserver_longrunning_requests{component="apiserver",group="",resource="pods",scope="resource",subresource="portforward",verb="GET",version="v1"} 2
apiserver_request_total{resource="pods",subresource="portforward"} 40
`
	if n, err := parseSessions(metrics); err != nil || n != 5 {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := parseSessions(""); err != nil || n != 0 {
		t.Errorf("without any: %d, %v", n, err)
	}
	if n, err := parseSessions(`apiserver_longrunning_requests{subresource="portforward"} many` + "\n"); err == nil {
		t.Errorf("%d is taken for a number", n)
	}
}

func TestAnEarlierRunIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.json")
	text, err := json.Marshal(report.Run{Node: "streaming", Measures: []report.Measure{{Row: 1, Work: "w"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if run, err := readRun(path); err != nil || run.Node != "streaming" || len(run.Measures) != 1 {
		t.Errorf("%+v, %v", run, err)
	}
	if err := os.WriteFile(path, text[1:], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readRun(path); err == nil {
		t.Error("half a file is taken for a run")
	}
}
