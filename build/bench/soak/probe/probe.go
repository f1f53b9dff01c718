// Package probe reports, on request, how many goroutines and bytes the program that imports it holds. The soak builds
// Fairlead with it; the released Fairlead does not contain it.
package probe

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
)

// Variable is the environment variable with the path of the probe's Unix socket. Without it there is no probe.
const Variable = "FAIRLEAD_SOAK_PROBE"

// Paths of the requests that the probe answers.
const (
	PathNumbers    = "/numbers"    // Numbers in JSON, after a garbage collection
	PathGoroutines = "/goroutines" // the stacks of the goroutines, with equal ones grouped
)

// Numbers holds the program's goroutines and memory.
type Numbers struct {
	Goroutines int
	Heap       uint64 // bytes of live objects
	Objects    uint64
}

func init() {
	path := os.Getenv(Variable)
	if path == "" {
		return
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		panic(err) // the variable is set only for the soak, which needs the probe
	}
	mux := http.NewServeMux()
	mux.HandleFunc(PathNumbers, func(w http.ResponseWriter, _ *http.Request) {
		// Twice: objects with finalizers are freed only by the second collection.
		runtime.GC()
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		_ = json.NewEncoder(w).Encode(Numbers{runtime.NumGoroutine(), memory.HeapAlloc, memory.HeapObjects})
	})
	mux.HandleFunc(PathGoroutines, func(w http.ResponseWriter, _ *http.Request) {
		_ = pprof.Lookup("goroutine").WriteTo(w, 1)
	})
	// It runs as long as the program.
	go func() { _ = http.Serve(listener, mux) }()
}
