package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/explain"
	"fairlead/app/ownfile"
	"fairlead/app/portholder"
	"fairlead/app/settings"
	"fairlead/kube/filewatch"
	"fairlead/proxy"
	"fairlead/proxy/direct"
)

// ErrExposed is an address that other machines can reach, of a proxy that would let anyone in.
var ErrExposed = errors.New("other machines could use the proxy")

// StandaloneConfig configures a Standalone. TLS, PasswordFile and AllowFrom say who is let in. Without any of them, only
// clients on this machine are, and on systems that can tell only those of its own user and of root.
type StandaloneConfig struct {
	Listen netip.AddrPort
	// TLS has the files of the proxy's certificate and of the authority of the clients' certificates. With it, the proxy
	// speaks TLS alone. nil means no TLS.
	TLS *settings.TLS
	// PasswordFile is a file with "USER:PASSWORD". Empty means no password.
	PasswordFile string
	// AllowFrom has the networks whose clients are let in. Empty means all networks.
	AllowFrom []netip.Prefix
	Drain     time.Duration // as a Config's
	Log       zerolog.Logger
}

// guarded reports whether clients on other machines need more than the address.
func (c StandaloneConfig) guarded() bool {
	return c.TLS != nil || c.PasswordFile != "" || len(c.AllowFrom) > 0
}

// files returns the files that are read again when they change.
func (c StandaloneConfig) files() []string {
	files := []string{c.PasswordFile}
	if c.TLS != nil {
		files = append(files, c.TLS.Cert, c.TLS.Key, c.TLS.ClientCA)
	}
	return slices.DeleteFunc(files, func(file string) bool { return file == "" })
}

// A Standalone is a proxy without a context: it connects its clients to hosts outside by the direct route, which has the
// same guards as a context's.
type Standalone struct {
	config   StandaloneConfig
	stamps   string // of the files, before they were read
	server   *proxy.Server
	listener net.Listener
}

// ListenStandalone reads the files and listens. It returns an error that wraps ErrExposed if c would let anyone on other
// machines in. Serve must be called, and closes the listener.
func ListenStandalone(ctx context.Context, c StandaloneConfig) (*Standalone, error) {
	if !c.Listen.Addr().IsLoopback() && !c.guarded() {
		return nil, fmt.Errorf("%w at %s", ErrExposed, c.Listen)
	}
	s := &Standalone{config: c, stamps: FileStamps(c.files()...)}
	config, err := s.serverConfig()
	if err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	if s.listener, err = listen.Listen(ctx, network(c.Listen), ListenAddress(c.Listen)); err != nil {
		return nil, portholder.Explain(err)
	}
	s.server = proxy.New(config)
	return s, nil
}

// ListenAddress returns an address as package net takes it. The unspecified IPv6 address stands for all addresses of the
// machine, which may have no IPv6.
func ListenAddress(address netip.AddrPort) string {
	if address.Addr() == netip.IPv6Unspecified() {
		return fmt.Sprintf(":%d", address.Port())
	}
	return address.String()
}

// Address returns where the proxy listens.
func (s *Standalone) Address() string { return s.listener.Addr().String() }

// Serve serves clients until ctx ends, and reads the files again when they change. It must be called exactly once.
func (s *Standalone) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var following sync.WaitGroup
	following.Go(func() {
		filewatch.Watcher{Files: s.config.files, Look: func(bool) time.Duration { s.reload(); return 0 }}.Run(ctx)
	})
	defer following.Wait()
	defer cancel()
	return s.server.Serve(ctx, s.listener)
}

// reload applies the files if they have changed. Files that cannot be used leave the proxy as it is.
func (s *Standalone) reload() {
	stamps := FileStamps(s.config.files()...)
	if stamps == s.stamps {
		return
	}
	s.stamps = stamps
	config, err := s.serverConfig()
	if err != nil {
		s.config.Log.Warn().Err(err).Msg("changed files not used")
		return
	}
	s.server.Reconfigure(config)
	s.config.Log.Info().Msg("changed files read again")
}

// serverConfig returns the configuration of the proxy server. It reads the files.
func (s *Standalone) serverConfig() (proxy.Config, error) {
	c := s.config
	config := proxy.Config{
		Rules:  s.rules(),
		Answer: func(target string, err error) proxy.Answer { return answer(explain.Error(err).For(target)) },
		Events: New(Config{Log: c.Log}).events(c.Log, ""),
		Log:    c.Log,
		Drain:  c.Drain,
		Peer:   c.peer(),
	}
	var err error
	if c.TLS != nil {
		config.RequireTLS = true
		if config.TLS, err = ListenerTLS(*c.TLS); err != nil {
			return proxy.Config{}, err
		}
	}
	if c.PasswordFile != "" {
		if config.Credentials, err = readCredentials(c.PasswordFile); err != nil {
			return proxy.Config{}, err
		}
	}
	return config, nil
}

// rules returns the only route.
func (s *Standalone) rules() []proxy.Rule {
	outside := &Outside{routes: []outsideRoute{{
		name:    string(settings.Direct),
		matches: func(string, uint16) bool { return true },
		dialer:  direct.Dialer{Own: s.isOwn},
	}}}
	return outside.rules()
}

// isOwn reports whether the proxy listens at an address.
func (s *Standalone) isOwn(address netip.AddrPort) bool {
	own, err := netip.ParseAddrPort(s.Address())
	return err == nil && covers(own, address)
}

// peer returns the check of clients, or nil for none.
func (c StandaloneConfig) peer() func(client, local netip.AddrPort) error {
	if len(c.AllowFrom) == 0 {
		if c.guarded() {
			return nil
		}
		same, _ := sameUser()
		return same
	}
	return func(client, _ netip.AddrPort) error {
		ip := client.Addr().Unmap().WithZone("")
		if slices.ContainsFunc(c.AllowFrom, func(p netip.Prefix) bool { return p.Contains(ip) }) {
			return nil
		}
		return errForeignNetwork
	}
}

// errForeignNetwork is a client that AllowFrom does not let in.
var errForeignNetwork = errors.New("the client's network is not among those that are let in")

// maxCredentials bounds the size of a file with a password, in bytes: each of its two parts has at most 255.
const maxCredentials = 1 << 10

// readCredentials reads a file with "USER:PASSWORD", which may end with a line break. Its errors do not contain what is in
// the file.
func readCredentials(file string) (*proxy.Credentials, error) {
	text, err := ownfile.ReadAny(file, maxCredentials)
	if err != nil {
		return nil, fmt.Errorf("the password: %w", err)
	}
	user, password, ok := strings.Cut(string(bytes.TrimRight(text, "\r\n")), ":")
	const most = 255 // RFC 1929
	if !ok || user == "" || password == "" || len(user) > most || len(password) > most || strings.ContainsAny(user+password, "\r\n\x00") {
		return nil, fmt.Errorf("the password: %s must have one line, USER:PASSWORD, with 1 to %d bytes each", file, most)
	}
	return &proxy.Credentials{User: user, Password: password}, nil
}
