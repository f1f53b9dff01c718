package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of /proc/PID/stat on every Linux that Go runs on (USER_HZ = 100).
const tick = 10 * time.Millisecond

// CPU returns the processor time, user and system, that the program has used so far, to 10 ms.
func (p *Process) CPU() (time.Duration, error) { return CPUOf(p.pid) }

// CPUOf returns the processor time of any process, as Process.CPU does.
func CPUOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseCPU(string(text))
}

// parseCPU returns the sum of utime and stime of proc_pid_stat(5), fields 14 and 15. Field 2 is a name in parentheses
// that may contain anything.
func parseCPU(stat string) (time.Duration, error) {
	end := strings.LastIndexByte(stat, ')')
	fields := strings.Fields(stat[end+1:])
	if end < 0 || len(fields) < 13 {
		return 0, fmt.Errorf("not a line of proc_pid_stat: %q", stat)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, err
}

// Memory returns the resident anonymous memory of the program in bytes: what it allocated, without the pages of its
// binary.
func (p *Process) Memory() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.pid))
	if err != nil {
		return 0, err
	}
	return parseAnonymous(string(text))
}

func parseAnonymous(rollup string) (int64, error) {
	for line := range strings.Lines(rollup) {
		if rest, ok := strings.CutPrefix(line, "Anonymous:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("no Anonymous line in smaps_rollup")
}

// Goroutines ends a Go program with SIGQUIT and returns the number of goroutines in the stack traces that its runtime
// then prints.
func (p *Process) Goroutines() (int, error) {
	before, err := os.Stat(p.log)
	if err != nil {
		return 0, err
	}
	p.signal(syscall.SIGQUIT)
	select {
	case <-p.done:
	case <-time.After(stopWithin):
		return 0, fmt.Errorf("%s does not end on SIGQUIT", p.name)
	}
	text, err := os.ReadFile(p.log)
	if err != nil {
		return 0, err
	}
	n := countGoroutines(text[before.Size():])
	if n == 0 {
		return 0, fmt.Errorf("%s printed no goroutines on SIGQUIT", p.name)
	}
	return n, nil
}

// countGoroutines counts the headings of a traceback, except for goroutine 0, which belongs to a thread.
func countGoroutines(traceback []byte) int {
	n := 0
	for line := range bytes.Lines(traceback) {
		if bytes.HasPrefix(line, []byte("goroutine ")) && !bytes.HasPrefix(line, []byte("goroutine 0 ")) && bytes.HasSuffix(line, []byte("]:\n")) {
			n++
		}
	}
	return n
}

// Descriptors returns the number of files and sockets that the program has open.
func (p *Process) Descriptors() (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
	return len(entries), err
}
