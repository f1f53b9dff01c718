package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// overlay is the one file that the soak's Fairlead has in addition to the released one.
const overlay = "package main\n\nimport _ \"fairlead/build/bench/soak/probe\"\n"

// Build builds Fairlead with the probe into dir, where it must stay, and returns the program's path. With race it
// reports data races on standard error.
func Build(ctx context.Context, dir string, race bool) (string, error) {
	listed, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "fairlead/app").Output()
	if err != nil {
		return "", fmt.Errorf("find the sources of Fairlead: %w", err)
	}
	source, list, binary := filepath.Join(dir, "probe.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "fairlead")
	text, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(strings.TrimSpace(string(listed)), "soak_probe.go"): source},
	})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(source, []byte(overlay), 0o600); err != nil {
		return "", err
	}
	if err := os.WriteFile(list, text, 0o600); err != nil {
		return "", err
	}
	args := []string{"build", "-overlay", list, "-o", binary}
	if race {
		args = append(args, "-race")
	}
	build := exec.CommandContext(ctx, "go", append(args, "fairlead/app")...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("build Fairlead: %w", err)
	}
	return binary, nil
}
