// Package probe lets a program that imports it be asked, while it runs, how many goroutines and bytes it holds. The soak
// builds Fairlead with it; Fairlead as it is released has no such thing.
package probe

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
)

// Variable of the environment names the Unix socket to answer on. Without it there is no probe.
const Variable = "FAIRLEAD_SOAK_PROBE"

// Paths of the requests that are answered.
const (
	PathNumbers    = "/numbers"    // Numbers in JSON, after a garbage collection
	PathGoroutines = "/goroutines" // what the goroutines do, like ones together
)

// Numbers is what the program holds.
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
		panic(err) // whoever sets the variable wants the answers
	}
	mux := http.NewServeMux()
	mux.HandleFunc(PathNumbers, func(w http.ResponseWriter, _ *http.Request) {
		// Twice: what the first one finds to be dead and has a finalizer is freed by the second.
		runtime.GC()
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		_ = json.NewEncoder(w).Encode(Numbers{runtime.NumGoroutine(), memory.HeapAlloc, memory.HeapObjects})
	})
	mux.HandleFunc(PathGoroutines, func(w http.ResponseWriter, _ *http.Request) {
		_ = pprof.Lookup("goroutine").WriteTo(w, 1)
	})
	// It lives as long as the program.
	go func() { _ = http.Serve(listener, mux) }()
}
