package konnecttest

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"fairlead/build/clustertest"
)

// insideVariable makes the test program the inside of the cluster's network: it has the description as JSON.
const insideVariable = "KONNECTTEST_INSIDE"

// A description is what there is inside the cluster's network.
type description struct {
	Programs []program // each at an address that the network then has
	Hosts    map[string]string
	Files    string // what the program web serves
	GRPC     string // the gRPC server's program
	Agents   map[string]agent
}

// A program is at an address, host:port.
type program struct{ Name, Address string }

// An agent connects to a Konnectivity server through a Unix socket, since it has no network in common with it.
type agent struct {
	Socket  string
	Port    int // inside
	Command []string
}

// inside runs the inside of the network until standard input ends. Each line of input is the name of an agent to start; for
// it, and when all is ready, it prints a line.
func inside(text string) error {
	var d description
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return err
	}
	if err := exec.Command("ip", "link", "set", "lo", "up").Run(); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	added := map[string]bool{}
	for _, p := range d.Programs {
		host, _, err := net.SplitHostPort(p.Address)
		if err != nil {
			return err
		}
		if !added[host] {
			if out, err := exec.Command("ip", "address", "add", host+"/32", "dev", "lo").CombinedOutput(); err != nil {
				return fmt.Errorf("address %s: %w %s", host, err, out)
			}
		}
		added[host] = true
		if err := d.start(p); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	for _, a := range d.Agents {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", a.Port))
		if err != nil {
			return err
		}
		go relayAll(ln, "unix", a.Socket)
	}
	fmt.Println("ready")
	names := bufio.NewScanner(os.Stdin)
	for names.Scan() {
		pid, err := d.startAgent(names.Text())
		if err != nil {
			return err
		}
		fmt.Println(pid)
	}
	return names.Err()
}

// startAgent starts an agent, which ends with this process.
func (d description) startAgent(name string) (pid int, err error) {
	command := d.Agents[name].Command
	cmd := exec.Command(command[0], command[1:]...)
	log, err := os.OpenFile(filepath.Join(filepath.Dir(d.Agents[name].Socket), name+"-agent.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	go func() { _ = cmd.Wait(); _ = log.Close() }() // a kill is what the tests do
	return cmd.Process.Pid, nil
}

// start starts a program.
func (d description) start(p program) error {
	if p.Name == "grpc" {
		cmd := exec.Command(d.GRPC, "serve", p.Address)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return cmd.Start()
	}
	if p.Name == "nothing" {
		return nil
	}
	ln, err := net.Listen("tcp", p.Address)
	if err != nil {
		return err
	}
	if p.Name == "hangs" {
		hanging = append(hanging, ln)
		return fill(ln)
	}
	if p.Name == "web" {
		go func() { _ = http.Serve(ln, d.web()) }()
		return nil
	}
	serve := map[string]func(net.Conn){
		"echo": echo, "late": late, "source": source, "resets": resets,
		"dns": func(c net.Conn) { answerNames(c, d.Hosts) },
	}[p.Name]
	if serve == nil {
		return errors.New("unknown program")
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return nil
}

// web answers with the address at which it was asked, with bytes of a pattern, and with files.
func (d description) web() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/where", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Context().Value(http.LocalAddrContextKey))
	})
	mux.HandleFunc("/pattern", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, clustertest.Pattern(patternSize)) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, clustertest.Pattern(largeSize)) })
	mux.Handle("/", http.FileServer(http.Dir(d.Files)))
	return mux
}

const (
	patternSize = 256 << 10
	largeSize   = 64 << 20
	sourceSize  = 32 << 20
)

// hanging keeps listeners that are not accepted from: without a reference they would be closed.
var hanging []net.Listener

// fill fills the queue of a listener, so that the system answers no further connection.
func fill(ln net.Listener) error {
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		return err
	}
	if err := raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }); err != nil {
		return err
	}
	for range 4 {
		go func() { _, _ = net.Dial("tcp", ln.Addr().String()) }()
	}
	return err
}

func echo(conn net.Conn) {
	defer conn.Close()
	_, _ = io.Copy(conn, conn)
}

const lateAnswer = "line 1\nline 2\nline 3\n"

// late reads a line, and then takes its time.
func late(conn net.Conn) {
	defer conn.Close()
	_, _ = bufio.NewReader(conn).ReadString('\n')
	for line := range strings.Lines(lateAnswer) {
		time.Sleep(400 * time.Millisecond) // it is a program that takes its time
		_, _ = io.WriteString(conn, line)
	}
}

func source(conn net.Conn) {
	defer conn.Close()
	_, _ = io.Copy(conn, clustertest.Pattern(sourceSize))
}

func resets(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 1))
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// answerNames answers a DNS client's questions.
func answerNames(conn net.Conn, hosts map[string]string) {
	defer conn.Close()
	for {
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, question); err != nil {
			return
		}
		var message dnsmessage.Message
		if err := message.Unpack(question); err != nil || len(message.Questions) != 1 {
			return
		}
		answer(&message, hosts)
		packed, err := message.AppendPack(make([]byte, 2))
		if err != nil {
			return
		}
		binary.BigEndian.PutUint16(packed, uint16(len(packed)-2))
		if _, err := conn.Write(packed); err != nil {
			return
		}
	}
}

// answer makes the answer of a question.
func answer(m *dnsmessage.Message, hosts map[string]string) {
	m.Response, m.RecursionAvailable = true, true
	m.Additionals = nil
	asked := m.Questions[0]
	address, known := hosts[strings.TrimSuffix(strings.ToLower(asked.Name.String()), ".")]
	if !known {
		m.RCode = dnsmessage.RCodeNameError
		return
	}
	if asked.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: asked.Name, Type: asked.Type, Class: asked.Class, TTL: 5},
			Body:   &dnsmessage.AResource{A: [4]byte(net.ParseIP(address).To4())},
		}}
	}
}

// relayAll relays the connections of a listener to an address.
func relayAll(ln net.Listener, network, address string) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			to, err := net.Dial(network, address)
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(to, conn); _ = to.Close() }()
			_, _ = io.Copy(conn, to)
		}()
	}
}
