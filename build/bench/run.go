package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"fairlead/build/bench/report"
	"fairlead/build/bench/row"
)

// bound is what the rows may take in all; it stops a run that hangs.
const bound = 10 * time.Minute

// run does the rows and writes what came of them. What was measured before an error is written too.
func run(ctx context.Context, p parameters, lab *row.Lab) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("the rows took longer than %s", bound))
	defer cancel()
	result := report.Run{When: time.Now().UTC().Format("2006-01-02 15:04 UTC"), Machine: machine(), RoundTrips: map[string]float64{}}
	for _, r := range append([]time.Duration{0}, row.RoundTrips()...) {
		measured, err := lab.RoundTrip(ctx, r)
		if err != nil {
			return err
		}
		result.RoundTrips[fmt.Sprint(r.Milliseconds())] = measured
		lab.Say("R = %d ms: a TCP connect takes %.2f ms", r.Milliseconds(), measured)
	}
	var failed error
	for _, r := range row.All() {
		if p.Row != 0 && p.Row != r.Number {
			continue
		}
		lab.Say("row %d: %s", r.Number, r.Title)
		measures, err := r.Run(ctx, lab)
		result.Measures = append(result.Measures, measures...)
		if r.Note != "" && len(measures) > 0 {
			result.Notes = append(result.Notes, r.Note)
		}
		if err != nil {
			failed = fmt.Errorf("row %d: %w", r.Number, err)
			break
		}
	}
	return errors.Join(failed, write(p, result))
}

// write prints the table and writes the files.
func write(p parameters, result report.Run) error {
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
	fmt.Printf("\n%s\n%s\n", result.When, result.Machine)
	fmt.Printf("R measured: %.2f ms for 0, %.2f ms for 40, %.2f ms for 160\n\n", result.RoundTrips["0"], result.RoundTrips["40"], result.RoundTrips["160"])
	if err := result.WriteTable(os.Stdout); err != nil {
		return err
	}
	fmt.Printf("samples: %s; picture: %s\n", p.JSON, p.Picture)
	if p.Readme {
		fmt.Println()
		return result.WriteMarkdown(os.Stdout)
	}
	return nil
}

func writeFile(path string, write func(*os.File) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// machine says what the figures were taken on.
func machine() string {
	text := fmt.Sprintf("%d × ", runtime.NumCPU())
	// Where a file of /proc is missing or says nothing, neither does this line.
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
