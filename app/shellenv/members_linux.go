package shellenv

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// sessionMembers returns the processes of a session. A shell with job control puts each of its programs into a group of
// its own.
func sessionMembers(session int) []int {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	var members []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the process has ended
		}
		// proc(5): PID (NAME) STATE PPID PGRP SESSION. The name may contain anything.
		_, after, _ := bytes.Cut(text[max(0, bytes.LastIndexByte(text, ')')):], []byte(" "))
		field := bytes.Fields(after)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && len(field) > 3 && string(field[3]) == strconv.Itoa(session) {
			members = append(members, pid)
		}
	}
	return members
}
