package program

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The environment variables of the main program of a container. The fixtures set them with the downward API, each from
// the annotation with the same meaning on the streaming node.
const (
	VariableNamespace  = "POD_NAMESPACE"
	VariableName       = "POD_NAME"
	VariableAddress    = "POD_ADDRESS"
	VariablePorts      = "PORTS" // the ports to listen on, separated by commas; by default the program's own
	VariableBytes      = "BYTES"
	VariableWork       = "WORK"
	VariableReadyAfter = "READY_AFTER"
	VariableStopAfter  = "STOP_AFTER"
	VariableNotes      = "NOTES"
)

// never is the value of VariableReadyAfter of a program that never becomes ready.
const never = "never"

// defaultPorts are the ports of programs for which none are set.
var defaultPorts = map[string]int32{"echo": 7000}

const defaultPort = 8080

// environment holds the settings in a container's environment.
type environment struct {
	self      Self
	ports     []int32
	settings  Settings
	stopAfter time.Duration // negative if the program is not stopped
}

// Run runs the named program as the main program of a container: it serves on the Pod's addresses until SIGTERM, which
// it handles as the program does, or until it is killed.
func Run(name string) error {
	e, err := readEnvironment(name, os.Getenv)
	if err != nil {
		return err
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	var ports []*Port
	for _, number := range e.ports {
		self := e.self
		self.Port = number
		port, err := Listen(name, self, e.settings)
		if err != nil {
			return err
		}
		if err := port.listen(fmt.Sprintf(":%d", number)); err != nil {
			return err
		}
		ports = append(ports, port)
	}
	<-told
	if e.stopAfter < 0 || rollout[name] == ignore {
		select {} // killed at the end of the grace period
	}
	time.Sleep(e.stopAfter)
	if rollout[name] == exit {
		return nil
	}
	var stopping sync.WaitGroup
	for _, port := range ports {
		stopping.Go(port.finish)
	}
	stopping.Wait()
	return nil
}

func readEnvironment(name string, get func(string) string) (environment, error) {
	e := environment{self: Self{Namespace: get(VariableNamespace), Name: get(VariableName), Address: get(VariableAddress)}}
	if !Known(name) {
		return e, fmt.Errorf("program %q: there are %s", name, strings.Join(names, ", "))
	}
	if e.self.Name == "" {
		e.self.Name, _ = os.Hostname() // the Pod's name, unless the Pod is on the node's network
	}
	e.stopAfter = -1
	if HeedsStop(name) {
		e.stopAfter = 0
	}
	var err error
	for variable, read := range map[string]func(string) error{
		VariablePorts: func(text string) error { e.ports, err = parsePorts(text); return err },
		VariableBytes: func(text string) error { e.settings.Bytes, err = strconv.ParseInt(text, 10, 64); return err },
		VariableWork:  func(text string) error { e.settings.Work, err = time.ParseDuration(text); return err },
		VariableReadyAfter: func(text string) error {
			e.settings.ReadyAfter, err = ParseReadyAfter(text)
			return err
		},
		VariableStopAfter: func(text string) error { e.stopAfter, err = time.ParseDuration(text); return err },
	} {
		if text := get(variable); text != "" {
			if err := read(text); err != nil {
				return e, fmt.Errorf("%s=%s: %w", variable, text, err)
			}
		}
	}
	e.settings.Notes = get(VariableNotes)
	if e.ports == nil {
		e.ports = []int32{defaultPort}
		if port := defaultPorts[name]; port != 0 {
			e.ports[0] = port
		}
	}
	return e, nil
}

// ParseReadyAfter parses how long after its start a program becomes ready: a duration, or "never", for which it returns
// a negative one.
func ParseReadyAfter(text string) (time.Duration, error) {
	if text == never {
		return -1, nil
	}
	return time.ParseDuration(text)
}

func parsePorts(text string) ([]int32, error) {
	var ports []int32
	for part := range strings.SplitSeq(text, ",") {
		port, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return nil, err
		}
		ports = append(ports, int32(port))
	}
	return ports, nil
}

// listen also serves the port on a TCP address, until the port is stopped. A port that refuses every connection does
// not listen.
func (p *Port) listen(address string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return nil
	}
	if p.door != "" {
		return errors.New("a door leads nowhere from a container")
	}
	listener, err := new(net.ListenConfig).Listen(p.ctx, "tcp", address)
	if err != nil {
		return err
	}
	p.listener = listener
	p.serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				time.Sleep(10 * time.Millisecond) // out of descriptors
				continue
			}
			p.accepted.Store(time.Now().UnixNano())
			// Connections that the kernel accepted before the port was stopped count as open.
			p.mu.Lock()
			p.start(conn)
			p.mu.Unlock()
		}
	})
	return nil
}

// quiet is how long no connection must have arrived before a finishing port stops listening. The kernel resets those
// that it accepted and the program did not, and to their clients they were open.
const quiet = 300 * time.Millisecond

// finish stops listening once no more connections arrive, and returns when every open one has ended.
func (p *Port) finish() {
	for wait := quiet; wait > 0; wait = quiet - time.Since(time.Unix(0, p.accepted.Load())) {
		time.Sleep(wait)
	}
	p.refuse()
	p.serving.Wait()
}
