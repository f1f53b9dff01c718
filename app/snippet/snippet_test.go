package snippet_test

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/app/snippet"
)

var update = flag.Bool("update", false, "write the golden file again")

var (
	open   = snippet.Proxy{Address: netip.MustParseAddrPort("127.0.0.1:1080")}
	locked = snippet.Proxy{Address: netip.MustParseAddrPort("127.0.0.1:1081"), User: "fairlead", Password: "xk2b9fQ7"}
	secure = snippet.Proxy{Address: netip.MustParseAddrPort("127.0.0.1:1083"), TLS: true}
	six    = snippet.Proxy{Address: netip.MustParseAddrPort("[::1]:1082"), Target: "https://hello.default.svc/a?b=c&d='e'"}
)

func TestEverySnippetIsAsItWasLookedAt(t *testing.T) {
	var b strings.Builder
	for _, k := range snippet.Kinds() {
		for _, p := range []snippet.Proxy{open, locked, six} {
			fmt.Fprintf(&b, "=== %s (%s), %s\n", k.ID, k.Title, p.URL("socks5h"))
			s, err := snippet.Make(k.ID, p)
			if err != nil {
				fmt.Fprintf(&b, "error: %v\n", err)
				continue
			}
			fmt.Fprint(&b, s.Text)
			if s.Note != "" {
				fmt.Fprintf(&b, "--- %s\n", s.Note)
			}
		}
	}
	for _, k := range snippet.Kinds() {
		s, err := snippet.Make(k.ID, secure)
		fmt.Fprintf(&b, "=== %s, TLS alone\n%s--- %s%v\n", k.ID, s.Text, s.Note, err)
	}
	golden := filepath.Join("testdata", "snippets.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, lines := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(got), len(lines)) {
		if i >= len(got) || i >= len(lines) || got[i] != lines[i] {
			t.Fatalf("line %d differs from %s: %q (-update writes it again)", i+1, golden, append(got, "")[min(i, len(got))])
		}
	}
}

// Programs that have a fixed local port need no proxy, and are told of that port by their own variables.
func TestFixedLocalPortsAreKnown(t *testing.T) {
	at := netip.MustParseAddrPort
	p := snippet.Proxy{Address: open.Address, Forwards: []snippet.Forward{
		{Address: at("127.0.0.1:8443"), Target: "web.shop:https"}, {Address: at("127.0.0.1:15432"), Target: "db.billing:postgres"},
		{Address: at("127.0.0.1:5433"), Target: "other:5432"}, {Address: at("127.0.0.2:6379"), Target: "cache.shop.svc:6379"},
		{Address: at("[::1]:3306"), Target: "sql:mysql"},
	}}
	for kind, want := range map[string]string{
		"bash":       "export PGHOST=localhost\nexport PGPORT=15432\nexport REDIS_URL=redis://127.0.0.2:6379\nexport MYSQL_HOST=::1\nexport MYSQL_TCP_PORT=3306\n",
		"fish":       "set -gx PGHOST 'localhost'\nset -gx PGPORT '15432'\nset -gx REDIS_URL 'redis://127.0.0.2:6379'\n",
		"powershell": "$env:PGHOST = 'localhost'\n$env:PGPORT = '15432'\n",
		"cmd":        "set \"PGHOST=localhost\"\nset \"PGPORT=15432\"\n",
		"psql":       "psql 'host=localhost port=15432 user=USER dbname=DATABASE'\nredis-cli -h 127.0.0.2 -p 6379\n",
		"jdbc":       "jdbc:postgresql://localhost:15432/DATABASE\njdbc:mysql://[::1]:3306/DATABASE\n",
	} {
		if s, err := snippet.Make(kind, p); err != nil || !strings.Contains(s.Text, want) {
			t.Errorf("%s: %q, %v, want %q in it", kind, s.Text, err, want)
		}
	}
	p.Forwards = p.Forwards[:1]
	for _, kind := range snippet.Kinds() {
		with, _ := snippet.Make(kind.ID, p)
		without, _ := snippet.Make(kind.ID, open)
		if with != without {
			t.Errorf("%s: a port of no database makes a difference: %q", kind.ID, with.Text)
		}
	}
}

func TestAliasesAndCasesAreKnown(t *testing.T) {
	for alias, kind := range map[string]string{"zsh": "bash", "PWSH": "powershell", "Node.js": "node", ".NET": "dotnet", "proxychains": "psql"} {
		got, err := snippet.Make(alias, open)
		want, _ := snippet.Make(kind, open)
		if err != nil || got != want || want.Text == "" {
			t.Errorf("%s: %+v, %v; want %s's", alias, got, err, kind)
		}
	}
	var unknown *snippet.UnknownKind
	if _, err := snippet.Make("cobol", open); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "powershell") {
		t.Errorf("cobol: %v", err)
	}
}

func TestWhatCannotBeWrittenIsAnError(t *testing.T) {
	at := open.Address
	for name, c := range map[string]struct {
		kind string
		snippet.Proxy
	}{
		"no address":               {"bash", snippet.Proxy{}},
		"a password alone":         {"bash", snippet.Proxy{Address: at, Password: "x"}},
		"a line break":             {"bash", snippet.Proxy{Address: at, Target: "http://a/\nreboot"}},
		"an escape":                {"bash", snippet.Proxy{Address: at, User: "a", Password: "\x1b"}},
		"no URL":                   {"curl", snippet.Proxy{Address: at, Target: "--output"}},
		"percent signs in cmd":     {"cmd", snippet.Proxy{Address: at, User: "a", Password: "%PATH%"}},
		"commas for socat":         {"ssh", snippet.Proxy{Address: at, User: "a", Password: "b,exec:reboot"}},
		"blanks for proxychains":   {"psql", snippet.Proxy{Address: at, User: "a", Password: "b c"}},
		"a comment of proxychains": {"psql", snippet.Proxy{Address: at, User: "a", Password: "b#c"}},
	} {
		if s, err := snippet.Make(c.kind, c.Proxy); err == nil {
			t.Errorf("%s: %q", name, s.Text)
		}
	}
}

// hostile contains what a user, a password or the path of a URL may contain.
const hostile = `a'b"c$(touch broken)` + "`touch broken`" + `;touch broken|&<>*?[x]{y}~!#%41\ ` + "\u2019;touch broken\u2018"

func TestHostileValuesStayValuesInAShell(t *testing.T) {
	p := snippet.Proxy{Address: open.Address, User: hostile, Password: hostile, Target: "http://a/" + hostile}
	for kind, show := range map[string]string{
		"bash": `printf '%s\n' "$HTTP_PROXY" "$https_proxy" "$ALL_PROXY"`,
		"wsl":  `printf '%s\n' "$HTTP_PROXY" "$https_proxy" "$ALL_PROXY"`,
	} {
		url := p.URL("http")
		if got, want := runShell(t, kind, p, "", show), strings.Repeat(url+"\n", 3); got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
	// A program with the name of each command shows the command's words.
	words := `for w in "$@"; do printf '%s\n' "$w"; done`
	for kind, c := range map[string]struct{ function, want string }{
		"curl":   {"curl() { " + words + "; }", "--noproxy\nlocalhost\n--proxy\n" + p.URL("socks5h") + "\n" + p.Target + "\n"},
		"git":    {"git() { " + words + "; }", "-c\nhttp.proxy=" + p.URL("socks5h") + "\nclone\n" + p.Target + "\n"},
		"docker": {`docker() { shift 6; printf '%s\n' "$1"; }`, "HTTP_PROXY=" + p.URL("http") + "\n"},
	} {
		if got := runShell(t, kind, p, c.function, ""); got != c.want {
			t.Errorf("%s: %q, want %q", kind, got, c.want)
		}
	}
}

// runShell pastes a snippet into sh, between two other lines, and fails the test if another command ran.
func runShell(t *testing.T, kind string, p snippet.Proxy, before, after string) string {
	t.Helper()
	s, err := snippet.Make(kind, p)
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	cmd := exec.Command("sh", "-eu")
	cmd.Dir = t.TempDir()
	cmd.Stdin = strings.NewReader(before + "\n" + s.Text + after + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", kind, err, out)
	}
	if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) > 0 {
		t.Errorf("%s: a value was run as a command: %v, %v", kind, left, err)
	}
	return string(out)
}

func TestShellLinesHoldNoComments(t *testing.T) {
	for _, kind := range []string{"bash", "fish", "powershell", "cmd", "docker", "wsl", "git", "curl", "ssh", "java", "psql"} {
		s, err := snippet.Make(kind, open)
		if err != nil || strings.ContainsAny(s.Text, "#") || !strings.HasSuffix(s.Text, "\n") {
			t.Errorf("%s: %q, %v: an interactive zsh would run a comment", kind, s.Text, err)
		}
	}
}

func FuzzNoValueLeavesItsQuotes(f *testing.F) {
	f.Add(hostile, "x")
	f.Add("a", `"; drop`)
	f.Fuzz(func(t *testing.T, user, password string) {
		if user == "" {
			return
		}
		p := snippet.Proxy{Address: open.Address, User: user, Password: password}
		for _, k := range snippet.Kinds() {
			s, err := snippet.Make(k.ID, p)
			if err != nil {
				continue
			}
			plain, err := snippet.Make(k.ID, locked)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(s.Text, "\n") != strings.Count(plain.Text, "\n") {
				t.Errorf("%s: other lines than the plain one's:\n%s", k.ID, s.Text)
			}
		}
	})
}

// The help topic on clients must name every kind, and contain the one-line commands as they are copied.
func TestTheTopicOnClientsHasTheKinds(t *testing.T) {
	text, err := os.ReadFile("../command/help/clients.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, list, begun := strings.Cut(string(text), "KIND is one of: ")
	list, _, ended := strings.Cut(list, ".\n")
	var kinds []string
	for _, k := range snippet.Kinds() {
		kinds = append(kinds, k.ID)
	}
	if got, want := strings.Join(strings.Fields(list), " "), strings.Join(kinds, ", "); !begun || !ended || got != want {
		t.Errorf("the topic has the kinds %q, want %q", got, want)
	}
	for _, kind := range []string{"curl", "git", "ssh", "jdbc"} {
		if s, err := snippet.Make(kind, open); err != nil || !strings.Contains(string(text), "    "+s.Text) {
			t.Errorf("the topic does not have the line %q (%v)", s.Text, err)
		}
	}
}
