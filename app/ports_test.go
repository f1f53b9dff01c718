package main

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
)

// lastPort is the last result of freePort. The ports begin where systems use none for outgoing connections.
var lastPort atomic.Int32

func init() { lastPort.Store(int32(20000 + os.Getpid()%100*100)) }

// freePort returns a port on which nothing listens now, a different one each time.
func freePort(t *testing.T) int {
	t.Helper()
	for {
		port := int(lastPort.Add(1))
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			listener.Close()
			return port
		}
		if port > 32000 {
			t.Fatal("no port is free: ", err)
		}
	}
}

// givePorts creates a state in which contexts have ports that are free on this machine now, because the usual ones may
// be in use.
func givePorts(t *testing.T, stateHome string, contexts ...string) {
	t.Helper()
	type entry struct {
		Port int `json:"port"`
	}
	state := struct {
		Version  int              `json:"version"`
		Contexts map[string]entry `json:"contexts"`
	}{1, map[string]entry{}}
	for _, name := range contexts {
		state.Contexts[name] = entry{Port: freePort(t)}
	}
	data, err := json.Marshal(state)
	dir := filepath.Join(stateHome, "fairlead")
	if err := errors.Join(err, os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "state.json"), data, 0o600)); err != nil {
		t.Fatal(err)
	}
}
