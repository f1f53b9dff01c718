// Package snippet makes the text that a user pastes to make a program use a proxy: shell lines, a command, or a few
// lines of code. It is pure: data in, text out.
//
// Text for a shell contains no comments (an interactive zsh runs them as commands) and no name from a kubeconfig. User
// and password are percent-encoded (RFC 3986, section 2.1) or quoted as the language requires. Each snippet uses the
// form that its program supports best: mostly HTTP, which every program with a proxy setting supports and which always
// lets the proxy resolve names; socks5h if a program tunnels other protocols through it.
package snippet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
)

// A Proxy describes a running proxy for snippets.
type Proxy struct {
	Address  netip.AddrPort // where it listens
	User     string         // empty if it needs no password
	Password string
	TLS      bool // it accepts only clients that use TLS, with a certificate
	// Target is the http or https URL in examples, used unchanged. If empty, examples have a placeholder.
	Target string
	// Forwards are the fixed local ports of the context.
	Forwards []Forward
}

// A Kind is a program or language that has a snippet.
type Kind struct {
	ID    string // "bash"
	Title string // "bash, zsh"
}

// A Snippet is a text to copy, with advice for the user.
type Snippet struct {
	Text string // ends with a line break
	Note string // one or two sentences that are never part of what is pasted; may be empty
}

type maker struct {
	Kind
	aliases []string
	write   func(Proxy) (Snippet, error)
	tls     func(Proxy) (Snippet, error) // nil if it cannot use a client certificate for the proxy
}

var makers = []maker{
	{Kind{"bash", "bash, zsh"}, []string{"zsh", "sh"}, bash, nil},
	{Kind{"fish", "fish"}, nil, fish, nil},
	{Kind{"powershell", "PowerShell"}, []string{"pwsh"}, powershell, nil},
	{Kind{"cmd", "cmd"}, nil, cmd, nil},
	{Kind{"docker", "Docker"}, nil, docker, nil},
	{Kind{"wsl", "WSL"}, nil, wsl, nil},
	{Kind{"git", "git"}, nil, git, gitTLS},
	{Kind{"curl", "curl"}, nil, curl, curlTLS},
	{Kind{"ssh", "ssh"}, nil, ssh, nil},
	{Kind{"go", "Go"}, []string{"golang"}, goLang, goTLS},
	{Kind{"python", "Python"}, nil, python, nil},
	{Kind{"node", "Node.js"}, []string{"nodejs", "node.js", "js"}, node, nil},
	{Kind{"global-agent", "Node.js (global-agent)"}, nil, globalAgent, nil},
	{Kind{"java", "Java"}, nil, java, nil},
	{Kind{"dotnet", ".NET"}, []string{".net", "csharp", "c#"}, dotnet, nil},
	{Kind{"ruby", "Ruby"}, nil, ruby, nil},
	{Kind{"psql", "psql, redis-cli (proxychains)"}, []string{"proxychains", "redis-cli", "redis"}, psql, nil},
	{Kind{"jdbc", "JDBC"}, nil, jdbc, nil},
}

// commandLines are the kinds whose password is in a program's arguments.
var commandLines = []string{"docker", "git", "curl", "ssh"}

// Kinds returns the kinds of snippets, in the order of a menu.
func Kinds() []Kind {
	kinds := make([]Kind, len(makers))
	for i, m := range makers {
		kinds[i] = m.Kind
	}
	return kinds
}

// TLSKinds returns those of Kinds that can reach a proxy that accepts only TLS.
func TLSKinds() []Kind {
	var kinds []Kind
	for _, m := range makers {
		if m.tls != nil {
			kinds = append(kinds, m.Kind)
		}
	}
	return kinds
}

// An UnknownKind is a kind that has no snippet. Its text names those that do.
type UnknownKind struct{ ID string }

func (e *UnknownKind) Error() string {
	ids := make([]string, len(makers))
	for i, m := range makers {
		ids[i] = m.ID
	}
	return fmt.Sprintf("no snippet for %q; there are %s", e.ID, strings.Join(append(ids, ResolverKinds()...), ", "))
}

// Make returns the snippet of a kind, which is a Kind's ID or another usual name for it ("zsh", "pwsh"), in any case.
// The error is an *UnknownKind, or says what of the proxy cannot be expressed in that language.
func Make(kind string, p Proxy) (Snippet, error) {
	if !p.Address.IsValid() {
		return Snippet{}, errors.New("the proxy has no address")
	}
	if p.User == "" && p.Password != "" {
		return Snippet{}, errors.New("the proxy has a password and no user")
	}
	if strings.ContainsFunc(p.User+p.Password+p.Target, unicode.IsControl) {
		return Snippet{}, errors.New("user, password or URL have characters that cannot be pasted")
	}
	if p.Target != "" && !strings.HasPrefix(p.Target, "http://") && !strings.HasPrefix(p.Target, "https://") {
		return Snippet{}, fmt.Errorf("%q is no http or https URL", p.Target)
	}
	m, ok := find(kind)
	if !ok {
		return Snippet{}, &UnknownKind{ID: kind}
	}
	return m.make(p)
}

// Known reports whether a kind has a snippet, of Make or of MakeResolver.
func Known(kind string) bool {
	_, ok := find(kind)
	return ok || IsResolver(kind)
}

// Is reports whether a usual name, such as "zsh", is that of the kind with this ID.
func Is(id, name string) bool {
	m, ok := find(name)
	return ok && m.ID == id
}

func find(kind string) (maker, bool) {
	kind = strings.ToLower(kind)
	at := slices.IndexFunc(makers, func(m maker) bool { return kind == m.ID || slices.Contains(m.aliases, kind) })
	if at < 0 {
		return maker{}, false
	}
	return makers[at], true
}

func (m maker) make(p Proxy) (Snippet, error) {
	switch {
	case !p.TLS:
		made, err := m.write(p)
		if err == nil && p.Password != "" && slices.Contains(commandLines, m.ID) {
			made.Note += " While it runs, other users of this machine can read the login in the list of processes."
		}
		return made, err
	case m.tls == nil:
		var ids []string
		for _, kind := range TLSKinds() {
			ids = append(ids, kind.ID)
		}
		return Snippet{}, fmt.Errorf("this proxy takes only clients with TLS and a certificate, at %s: there are lines with one for %s, not for %s",
			Proxy{Address: p.Address}.URL("https"), strings.Join(ids, ", "), m.Title)
	}
	return m.tls(p)
}

// URL returns the proxy's URL, with user and password if it needs them. scheme is "socks5h", "http" or another one that
// the proxy supports.
func (p Proxy) URL(scheme string) string {
	login := ""
	if p.User != "" {
		login = encode(p.User) + ":" + encode(p.Password) + "@"
	}
	return scheme + "://" + login + p.Address.String()
}

// encode leaves only letters, digits, "-", "." and "_" unencoded, which have no special meaning in any shell.
func encode(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// placeholder is the URL of examples, in which the user puts a name.
const placeholder = "http://SERVICE.NAMESPACE.svc/"

func (p Proxy) target() string {
	if p.Target == "" {
		return placeholder
	}
	return p.Target
}
