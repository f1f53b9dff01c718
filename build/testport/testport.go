// Package testport gives tests ports of this machine that are free, and keeps the tests of several packages, which run at
// the same time, from taking one another's. Fairlead's own choice, port 1080 and those that follow, is not for tests:
// something else may listen there.
package testport

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// Ports are taken from a range in which no system chooses ports for outgoing connections.
const (
	first = 20000
	last  = 31999
)

// given has the ports of this process. Where it begins is left to chance, since other processes choose from the same range.
var given struct {
	sync.Mutex
	latest int
}

// Free returns a TCP port of the loopback address on which nothing listens now, a different one each time.
func Free(t testing.TB) int {
	t.Helper()
	port, err := Choose()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Choose returns what Free does, to programs that are not tests.
func Choose() (int, error) {
	given.Lock()
	defer given.Unlock()
	if given.latest == 0 {
		given.latest = first + rand.IntN(last-first)
	}
	var failed error
	for range last - first {
		if given.latest++; given.latest > last {
			given.latest = first
		}
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(given.latest)))
		if err == nil {
			return given.latest, listener.Close()
		}
		failed = err
	}
	return 0, fmt.Errorf("no port is free: %w", failed)
}

// Assign writes Fairlead's state of a user, below the directory that XDG_STATE_HOME names. In it each context has a free
// port, and another one in case the settings give the first to another context.
func Assign(t testing.TB, stateHome string, contexts ...string) {
	t.Helper()
	type port struct {
		Port  int `json:"port"`
		Moved int `json:"moved"`
	}
	type context struct {
		Ports []port `json:"ports"`
	}
	state := struct {
		Version  int                `json:"version"`
		Contexts map[string]context `json:"contexts"`
	}{2, map[string]context{}}
	for _, name := range contexts {
		state.Contexts[name] = context{[]port{{Free(t), Free(t)}}}
	}
	data, err := json.Marshal(state)
	dir := filepath.Join(stateHome, "fairlead")
	if err := errors.Join(err, os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "state.json"), data, 0o600)); err != nil {
		t.Fatal(err)
	}
}
