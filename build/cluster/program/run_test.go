package program

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// asProgram in the environment makes the test program behave as the named program of a container.
const asProgram = "PROGRAM_TEST_AS"

// process is the main program of a container, run without the container.
type process struct {
	command *exec.Cmd
	address string
	ended   chan error
}

func run(t *testing.T, name string, environment ...string) *process {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().(*net.TCPAddr)
	listener.Close()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{command: exec.Command(executable), address: address.String(), ended: make(chan error, 1)}
	// The race detector would delay the program's end by a second.
	p.command.Env = append(os.Environ(), asProgram+"="+name, VariablePorts+"="+strconv.Itoa(address.Port), "GORACE=atexit_sleep_ms=0")
	p.command.Env = append(p.command.Env, environment...)
	p.command.Stderr = os.Stderr
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.command.Process.Kill() })
	go func() { p.ended <- p.command.Wait() }()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", p.address)
		if err == nil {
			conn.Close()
			return p
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %v", name, err)
		}
	}
}

// ask requests the front page and returns once the request is under way; the channel receives its result.
func (p *process) ask(t *testing.T) <-chan error {
	t.Helper()
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		defer conn.Close()
		answer, err := io.ReadAll(conn)
		if err == nil && len(answer) == 0 {
			err = io.ErrUnexpectedEOF
		}
		result <- err
	}()
	return result
}

func (p *process) serves(t *testing.T) bool {
	t.Helper()
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Error(err)
		}
		return false
	}
	conn.Close()
	return true
}

func TestContainersProgramsHandleSIGTERM(t *testing.T) {
	for name, want := range map[string]struct{ answered, ends bool }{
		"http-finishes":      {answered: true, ends: true},
		"http-ignores-stop":  {answered: true, ends: false},
		"http-stops-at-once": {answered: false, ends: true},
		"http":               {answered: true, ends: false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := run(t, name, VariableWork+"=1s", VariableNamespace+"=ns", VariableName+"=pod")
			asked := p.ask(t)
			time.Sleep(200 * time.Millisecond) // the program has the request and works on it
			if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := <-asked; (err == nil) != want.answered {
				t.Errorf("the request that was open: %v, want an answer: %v", err, want.answered)
			}
			select {
			case err := <-p.ended:
				if !want.ends || err != nil {
					t.Errorf("ended: %v", err)
				}
				if p.serves(t) {
					t.Error("the port is open after the end")
				}
			case <-time.After(map[bool]time.Duration{true: 10 * time.Second, false: 500 * time.Millisecond}[want.ends]):
				if want.ends {
					t.Error("it keeps running")
				}
				if !p.serves(t) {
					t.Error("it keeps running and no longer serves")
				}
			}
		})
	}
}

func TestContainersProgramBecomesReadyAfterItsDelay(t *testing.T) {
	p := run(t, "http", VariableReadyAfter+"=500ms", VariableName+"=pod", VariableNamespace+"=ns")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	status := func() int {
		response, err := client.Get("http://" + p.address + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	if code := status(); code != http.StatusServiceUnavailable {
		t.Errorf("at first: %d", code)
	}
	for deadline := time.Now().Add(10 * time.Second); status() != http.StatusOK; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never ready")
		}
	}
	response, err := client.Get("http://" + p.address + "/")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if pod := response.Header.Get("X-Pod"); pod != "ns/pod" {
		t.Errorf("the Pod %q answered", pod)
	}
}

func TestEnvironmentIsRead(t *testing.T) {
	read := func(name string, variables map[string]string) (environment, error) {
		return readEnvironment(name, func(variable string) string { return variables[variable] })
	}
	e, err := read("http", map[string]string{
		VariableNamespace: "ns", VariableName: "pod", VariableAddress: "10.244.0.2", VariablePorts: "8080,9100",
		VariableBytes: "5", VariableWork: "7ms", VariableReadyAfter: "never", VariableStopAfter: "2s",
	})
	want := environment{
		self: Self{Namespace: "ns", Name: "pod", Address: "10.244.0.2"}, ports: []int32{8080, 9100},
		settings: Settings{Bytes: 5, Work: 7 * time.Millisecond, ReadyAfter: -1}, stopAfter: 2 * time.Second,
	}
	if err != nil || fmt.Sprint(e) != fmt.Sprint(want) {
		t.Errorf("%+v, %v\nwant %+v", e, err, want)
	}
	for name, stopAfter := range map[string]time.Duration{"echo": -1, "http": -1, "http-finishes": 0} {
		if e, err := read(name, nil); err != nil || e.stopAfter != stopAfter || len(e.ports) != 1 {
			t.Errorf("%s without an environment: %+v, %v", name, e, err)
		}
	}
	for variable, value := range map[string]string{VariablePorts: "http", VariableBytes: "x", VariableStopAfter: "soon"} {
		if _, err := read("http", map[string]string{variable: value}); err == nil {
			t.Errorf("%s=%s: no error", variable, value)
		}
	}
	if _, err := read("nothing", nil); err == nil {
		t.Error("no error for an unknown program")
	}
}

func TestPortsOfTheStreamingNodeStopAsTheirProgramsDo(t *testing.T) {
	for name, want := range map[string]struct{ answered, refuses bool }{
		"http-finishes":      {answered: true, refuses: true},
		"http-ignores-stop":  {answered: true, refuses: false},
		"http-stops-at-once": {answered: false, refuses: true},
	} {
		port := listen(t, name, Settings{Work: 300 * time.Millisecond})
		conn := dial(t, port)
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond) // the program has the request and works on it
		port.Stop()
		if answer, err := io.ReadAll(conn); (err == nil && len(answer) > 0) != want.answered {
			t.Errorf("%s: %d bytes, %v", name, len(answer), err)
		}
		again, err := port.Dial(t.Context())
		if (err != nil) != want.refuses {
			t.Errorf("%s: a new connection: %v", name, err)
		}
		if err == nil {
			again.Close()
		}
	}
}

func TestResettingProgramResets(t *testing.T) {
	conn := dial(t, listen(t, "resets", Settings{}))
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, not a reset", err)
	}
}
