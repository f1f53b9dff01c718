package snippet

import (
	"errors"
	"fmt"
	"strings"
)

// local lists what programs reach without the proxy. It replaces the value of NO_PROXY, because companies put cluster
// domains and private addresses there, which would then bypass the proxy.
const local = "localhost,127.0.0.1,::1"

// variables are the environment variables that programs read. All have the HTTP form: programs that do not support
// SOCKS, or need a module for it, fail on a variable that they cannot use, even one for other protocols.
func (p Proxy) variables() [][2]string {
	url := p.URL("http")
	return [][2]string{{"HTTP_PROXY", url}, {"HTTPS_PROXY", url}, {"ALL_PROXY", url}, {"NO_PROXY", local}}
}

// Environment returns the variables of the proxy in the form of os.Environ, without those for databases.
func (p Proxy) Environment() []string {
	var env []string
	for _, v := range p.variables() {
		for _, name := range bothCases(v[0]) {
			env = append(env, name+"="+v[1])
		}
	}
	return env
}

// bothCases returns a name in upper and lower case: curl reads http_proxy only in lower case, and other programs read only
// upper case.
func bothCases(name string) []string { return []string{name, strings.ToLower(name)} }

func bash(p Proxy) (Snippet, error) { return Snippet{Text: exports(p)}, nil }

func exports(p Proxy) string {
	var b strings.Builder
	for _, v := range p.variables() {
		b.WriteString("export")
		for _, name := range bothCases(v[0]) {
			fmt.Fprintf(&b, " %s=%s", name, quotePOSIX(v[1]))
		}
		b.WriteByte('\n')
	}
	for _, v := range p.databaseVariables() {
		fmt.Fprintf(&b, "export %s=%s\n", v[0], quotePOSIX(v[1]))
	}
	return b.String()
}

func fish(p Proxy) (Snippet, error) {
	var b strings.Builder
	for _, v := range p.variables() {
		for _, name := range bothCases(v[0]) {
			fmt.Fprintf(&b, "set -gx %s %s\n", name, quoteFish(v[1]))
		}
	}
	for _, v := range p.databaseVariables() {
		fmt.Fprintf(&b, "set -gx %s %s\n", v[0], quoteFish(v[1]))
	}
	return Snippet{Text: b.String()}, nil
}

func powershell(p Proxy) (Snippet, error) {
	var b strings.Builder
	for _, v := range append(p.variables(), p.databaseVariables()...) {
		fmt.Fprintf(&b, "$env:%s = %s\n", v[0], quotePowerShell(v[1]))
	}
	return Snippet{
		Text: b.String(),
		Note: "Windows PowerShell's own Invoke-WebRequest does not read these variables: give it -Proxy.",
	}, nil
}

func cmd(p Proxy) (Snippet, error) {
	var b strings.Builder
	for _, v := range append(p.variables(), p.databaseVariables()...) {
		if strings.ContainsAny(v[1], `%"`) {
			return Snippet{}, errors.New("cmd cannot be given a password with characters other than letters, digits, dot, dash and underscore: use PowerShell")
		}
		fmt.Fprintf(&b, "set \"%s=%s\"\n", v[0], v[1])
	}
	return Snippet{Text: b.String()}, nil
}

func docker(p Proxy) (Snippet, error) {
	var b strings.Builder
	b.WriteString("docker run --rm -it --network host")
	for _, v := range p.variables() {
		for _, name := range bothCases(v[0]) {
			fmt.Fprintf(&b, " -e %s", quotePOSIX(name+"="+v[1]))
		}
	}
	b.WriteString(" IMAGE\n")
	return Snippet{
		Text: b.String(),
		Note: fmt.Sprintf("--network host, since the proxy listens on this machine only. With Docker Desktop leave it out and write host.docker.internal:%d for the address.",
			p.Address.Port()),
	}, nil
}

func wsl(p Proxy) (Snippet, error) {
	return Snippet{
		Text: exports(p),
		Note: "WSL 2 reaches Windows' own loopback only with networkingMode=mirrored below [wsl2] in %UserProfile%\\.wslconfig, then wsl --shutdown.",
	}, nil
}

// quotePOSIX quotes for sh, bash and zsh, unless the value is plain.
func quotePOSIX(s string) string {
	if s != "" && strings.Trim(s, plainCharacters) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// plainCharacters have no special meaning to a POSIX shell anywhere in a word, except the first "=" of an assignment.
const plainCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/,@=%-"

// quoteFish quotes for fish, in whose single quotes a backslash escapes a quote and itself.
func quoteFish(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

// quotePowerShell quotes for PowerShell, which treats typographic single quotes like plain ones.
func quotePowerShell(s string) string {
	return "'" + strings.NewReplacer("'", "''", "\u2018", "\u2018\u2018", "\u2019", "\u2019\u2019",
		"\u201a", "\u201a\u201a", "\u201b", "\u201b\u201b").Replace(s) + "'"
}
