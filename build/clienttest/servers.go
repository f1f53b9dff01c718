//go:build linux

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The names of this machine's servers in the cluster.
const (
	helloHost    = "hello.default.svc.cluster.local"
	webHost      = "clients-web.default.svc.cluster.local"
	secureHost   = "clients-secure.default.svc.cluster.local"
	gitHost      = "clients-git.default.svc.cluster.local"
	sshHost      = "clients-ssh.default.svc.cluster.local"
	grpcHost     = "clients-grpc.default.svc.cluster.local"
	redisHost    = "clients-redis.default.svc.cluster.local"
	postgresHost = "clients-postgres.default.svc.cluster.local"
)

const helloURL = "http://" + helloHost + "/"

// servers starts all servers and their doors in the cluster.
func (l *lab) servers(ctx context.Context) error {
	for host, start := range map[string]func(context.Context) (address string, port int, err error){
		webHost: l.startWeb, secureHost: l.startSecure, gitHost: l.startGit, sshHost: l.startSSH, grpcHost: l.startGRPC,
		redisHost: l.startRedis, postgresHost: l.startPostgres,
	} {
		address, port, err := start(ctx)
		if err != nil {
			return fmt.Errorf("server of %s: %w", host, err)
		}
		if err := await(ctx, address); err != nil {
			return fmt.Errorf("server of %s: %w", host, err)
		}
		name, _, _ := strings.Cut(host, ".")
		if err := l.door(ctx, name, address, port); err != nil {
			return err
		}
	}
	return l.installNode(ctx)
}

// A seenServer is a web server that records its requests.
type seenServer struct {
	mu   sync.Mutex
	seen []string // method, path and query, user agent
}

// page runs a script, as only a browser does: the script's request is the proof.
const page = `<!DOCTYPE html><html><head><title>inside</title></head><body>inside the cluster
<script>fetch("/script?" + document.title + location.search.replace("?", "-"))</script></body></html>`

func (s *seenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.seen = append(s.seen, r.Method+" "+r.URL.RequestURI()+" "+r.UserAgent())
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, page) // clients may leave early
}

// has reports whether there was a request with that prefix.
func (s *seenServer) has(prefix string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.seen {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}

// listenHTTP serves handler on a free port until the lab ends.
func (l *lab) listenHTTP(handler http.Handler, config *tls.Config) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: handler, TLSConfig: config, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan error, 1)
	go func() {
		if config != nil {
			ended <- server.ServeTLS(listener, "", "")
			return
		}
		ended <- server.Serve(listener)
	}()
	l.closing = append(l.closing, func() error {
		err := server.Close()
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	})
	return listener.Addr().String(), nil
}

func (l *lab) startWeb(context.Context) (string, int, error) {
	l.http = &seenServer{}
	address, err := l.listenHTTP(l.http, nil)
	return address, 80, err
}

// startSecure serves hello over TLS, with a certificate of its own authority in ca.crt.
func (l *lab) startSecure(context.Context) (string, int, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", 0, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: secureHost}, DNSNames: []string{secureHost},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", 0, err
	}
	if _, err := l.file("ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))); err != nil {
		return "", 0, err
	}
	address, err := l.listenHTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, secureWords+"\n") // clients may leave early
	}), &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	return address, 443, err
}

const secureWords = "hello over TLS"

// startGit serves demo.git, with one commit, by git's own http-backend.
func (l *lab) startGit(ctx context.Context) (string, int, error) {
	work, bare := filepath.Join(l.dir, "work"), filepath.Join(l.dir, "repositories", "demo.git")
	if _, err := l.file("work/file", gitContent); err != nil {
		return "", 0, err
	}
	for _, args := range [][]string{
		{"init", "-q", work}, {"-C", work, "add", "file"},
		{"-C", work, "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-q", "-m", "one file"},
		{"clone", "-q", "--bare", work, bare},
	} {
		if _, err := l.run(ctx, "git", args...); err != nil {
			return "", 0, err
		}
	}
	execPath, err := l.run(ctx, "git", "--exec-path")
	if err != nil {
		return "", 0, err
	}
	address, err := l.listenHTTP(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(execPath), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + filepath.Dir(bare), "GIT_HTTP_EXPORT_ALL=1", "HOME=" + l.dir},
	}, nil)
	return address, 80, err
}

var gitContent = strings.Repeat("a line of the repository\n", 40_000)

// startSSH starts an sshd that accepts the current user with a new key.
func (l *lab) startSSH(ctx context.Context) (string, int, error) {
	for _, name := range []string{"host_key", "id"} {
		if _, err := l.run(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(l.dir, name)); err != nil {
			return "", 0, err
		}
	}
	public, err := os.ReadFile(filepath.Join(l.dir, "id.pub"))
	if err != nil {
		return "", 0, err
	}
	if _, err := l.file("authorized_keys", string(public)); err != nil {
		return "", 0, err
	}
	address, err := freeAddress()
	if err != nil {
		return "", 0, err
	}
	config, err := l.file("sshd_config", fmt.Sprintf("ListenAddress %s\nHostKey %[2]s/host_key\nPidFile none\n"+
		"AuthorizedKeysFile %[2]s/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n", address, l.dir))
	if err != nil {
		return "", 0, err
	}
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // sshd's directory, which its service would create
			return "", 0, err
		}
	}
	return address, 22, l.startQuiet(exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", config))
}

func (l *lab) startGRPC(ctx context.Context) (string, int, error) {
	if err := l.build(ctx, "grpcpeer", filepath.Join(l.dir, "grpcpeer"), "."); err != nil {
		return "", 0, err
	}
	address, err := freeAddress()
	if err != nil {
		return "", 0, err
	}
	return address, 50051, l.startQuiet(exec.Command(filepath.Join(l.dir, "grpcpeer"), "serve", address))
}

func (l *lab) startRedis(context.Context) (string, int, error) {
	address, err := freeAddress()
	if err != nil {
		return "", 0, err
	}
	_, port, _ := net.SplitHostPort(address)
	return address, 6379, l.startQuiet(exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", l.dir))
}

// startPostgres creates a database and serves it. PostgreSQL refuses to run as root, so for root it runs as its
// package's user.
func (l *lab) startPostgres(ctx context.Context) (string, int, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		return "", 0, errors.New("PostgreSQL is not installed")
	}
	bin, data := found[len(found)-1], filepath.Join(l.dir, "postgres")
	if err := os.Mkdir(data, 0o700); err != nil {
		return "", 0, err
	}
	as, err := otherThanRoot("postgres")
	if err != nil {
		return "", 0, err
	}
	if as != nil {
		if err := os.Chown(data, int(as.Uid), int(as.Gid)); err != nil {
			return "", 0, err
		}
	}
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--auth=trust", "--username=fairlead", "--no-sync", "-D", data)
	initdb.Dir, initdb.SysProcAttr = data, &syscall.SysProcAttr{Credential: as}
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", 0, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	address, err := freeAddress()
	if err != nil {
		return "", 0, err
	}
	_, port, _ := net.SplitHostPort(address)
	server := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-h", "127.0.0.1", "-p", port, "-k", data, "-F")
	server.Dir, server.SysProcAttr = data, &syscall.SysProcAttr{Credential: as}
	return address, 5432, l.startQuiet(server)
}

// otherThanRoot returns the credential of the named user if this process runs as root, or nil to keep the current user.
func otherThanRoot(name string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	found, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// startQuiet starts a server whose output goes to a file in the lab's directory.
func (l *lab) startQuiet(command *exec.Cmd) error {
	output, err := os.Create(filepath.Join(l.dir, filepath.Base(command.Path)+".log"))
	if err != nil {
		return err
	}
	defer func() { _ = output.Close() }()
	command.Stdout, command.Stderr = output, output
	if command.Dir == "" {
		command.Dir = l.dir
	}
	return l.start(command)
}

// installNode installs the libraries of the rows for Node.js, in the versions of programs/package.json.
func (l *lab) installNode(ctx context.Context) error {
	content, err := programs.ReadFile("programs/package.json")
	if err != nil {
		return err
	}
	if _, err := l.file("package.json", string(content)); err != nil {
		return err
	}
	// The user's environment, for npm's proxies, registry and cache.
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "npm", "install", "--silent", "--no-audit", "--no-fund")
	command.Dir, command.Env = l.dir, append(os.Environ(), "HOME="+home)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("npm install: %w\n%s", err, out)
	}
	return nil
}
