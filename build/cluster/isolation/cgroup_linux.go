package isolation

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	cgroupRoot   = "/sys/fs/cgroup"
	cgroupPrefix = "fairlead-cluster-"
)

// cgroupOf returns the name of the control group for what a process starts. The kernel reuses process ids, so the name
// has the start time as well.
func cgroupOf(pid int) string {
	return "/" + cgroupPrefix + strconv.Itoa(pid) + "-" + startOf(pid)
}

// startOf returns when a process started, in clock ticks since boot, or "" if there is no process of that id.
func startOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name, which may contain anything, is in parentheses; the start time is field 22.
	_, after, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')'):], []byte(" "))
	fields := strings.Fields(string(after))
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

// hierarchies returns the directories that control groups are made in: one with version 2, one for each controller with
// version 1.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		return []string{cgroupRoot}, nil
	}
	found, err := filepath.Glob(filepath.Join(cgroupRoot, "*", "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no control groups in %s", cgroupRoot)
	}
	for i := range found {
		found[i] = filepath.Dir(found[i])
	}
	return found, nil
}

func makeCgroup(name string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := os.Mkdir(root+name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("control group: %w", err)
		}
	}
	return nil
}

// removeCgroup removes a control group and everything below it, waiting for its last processes to end.
func removeCgroup(name string, patience time.Duration) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(patience)
	for {
		var failed error
		for _, root := range roots {
			failed = errors.Join(failed, removeTree(root+name))
		}
		if failed == nil || time.Now().After(deadline) {
			return failed
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// removeTree removes directories only, innermost first: the files in them belong to the kernel.
func removeTree(top string) error {
	var all []string
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, path := range slices.Backward(all) {
		if err := syscall.Rmdir(path); err != nil && !errors.Is(err, syscall.ENOENT) {
			return fmt.Errorf("control group %s: %w", path, err)
		}
	}
	return nil
}

// sweep removes control groups left by launchers that were killed together with their janitors.
func sweep() {
	roots, err := hierarchies()
	if err != nil {
		return
	}
	for _, root := range roots {
		left, _ := filepath.Glob(filepath.Join(root, cgroupPrefix+"*"))
		for _, path := range left {
			name := filepath.Base(path)
			pid, start, _ := strings.Cut(strings.TrimPrefix(name, cgroupPrefix), "-")
			number, err := strconv.Atoi(pid)
			if err != nil || startOf(number) == start {
				continue
			}
			_ = removeTree(path) // its own janitor may be at work
		}
	}
}
