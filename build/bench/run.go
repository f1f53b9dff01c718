package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"fairlead/build/bench/report"
	"fairlead/build/bench/row"
	"fairlead/build/clustertest"
)

// bound limits the time of all rows on one node; it stops a run that hangs.
const bound = 15 * time.Minute

// run runs the rows. On an error it also returns what was measured before.
func run(ctx context.Context, p parameters, node string, lab *row.Lab) (report.Run, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("the rows took longer than %s", bound))
	defer cancel()
	result := report.Run{
		When: time.Now().UTC().Format("2006-01-02 15:04 UTC"), Node: p.nodeName(node), Machine: machine(), RoundTrips: map[string]float64{},
	}
	for _, r := range append([]time.Duration{0}, row.RoundTrips()...) {
		measured, err := lab.RoundTrip(ctx, r)
		if err != nil {
			return result, err
		}
		result.RoundTrips[fmt.Sprint(r.Milliseconds())] = measured
		lab.Say("R = %d ms: a TCP connect takes %.2f ms", r.Milliseconds(), measured)
	}
	if node == clustertest.RealNode {
		result.Notes = append(result.Notes, realNodeNote)
	}
	for _, r := range p.rows() {
		lab.Say("row %d: %s", r.Number, r.Title)
		measures, err := r.Run(ctx, lab)
		result.Measures = append(result.Measures, measures...)
		if r.Note != "" && len(measures) > 0 {
			result.Notes = append(result.Notes, r.Note)
		}
		if err != nil {
			return result, fmt.Errorf("row %d: %w", r.Number, err)
		}
	}
	return result, nil
}

// write prints the table and writes the files. The files of the real node have the kind of node in their names.
func write(p parameters, node string, result report.Run) error {
	if node == clustertest.RealNode {
		p.JSON, p.Picture = withNode(p.JSON, node), withNode(p.Picture, node)
	}
	if err := writeFile(p.JSON, func(f *os.File) error {
		encoder := json.NewEncoder(f)
		encoder.SetIndent("", "  ")
		return encoder.Encode(result)
	}); err != nil {
		return err
	}
	if err := writeFile(p.Picture, func(f *os.File) error { return result.WritePicture(f) }); err != nil {
		return err
	}
	fmt.Printf("\n%s, node: %s\n%s\n", result.When, result.Node, result.Machine)
	fmt.Printf("R measured: %.2f ms for 0, %.2f ms for 40, %.2f ms for 160\n\n", result.RoundTrips["0"], result.RoundTrips["40"], result.RoundTrips["160"])
	if err := result.WriteTable(os.Stdout); err != nil {
		return err
	}
	fmt.Printf("samples: %s; picture: %s\n", p.JSON, p.Picture)
	return nil
}

// withNode inserts the kind of node before a path's extension.
func withNode(path, node string) string {
	extension := filepath.Ext(path)
	return strings.TrimSuffix(path, extension) + "-" + node + extension
}

func writeFile(path string, write func(*os.File) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// machine describes the machine of the measurement.
func machine() string {
	text := fmt.Sprintf("%d × ", runtime.NumCPU())
	// What a file of /proc does not contain is left out of the line.
	cpu, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(cpu)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			text += strings.TrimSpace(value)
			break
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	congestion, _ := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	first, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%s, Linux %s, TCP %s, %s, load before %s", text, strings.TrimSpace(string(kernel)), strings.TrimSpace(string(congestion)), runtime.Version(), first)
}
