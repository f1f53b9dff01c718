package snippet_test

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"fairlead/app/snippet"
)

var (
	ipv4Names = snippet.Nameserver{Address: netip.MustParseAddrPort("127.0.0.1:1053"), Domain: "cluster.local"}
	ipv6Names = snippet.Nameserver{Address: netip.MustParseAddrPort("[::1]:65535"), Domain: "k8s.example.com"}
)

func TestResolversGetTheDomainAlone(t *testing.T) {
	for kind, want := range map[string]map[snippet.Nameserver]string{
		"dnsmasq": {
			ipv4Names: "server=/cluster.local/127.0.0.1#1053\nrebind-domain-ok=/cluster.local/\n",
			ipv6Names: "server=/k8s.example.com/::1#65535\nrebind-domain-ok=/k8s.example.com/\n",
		},
		"networkmanager": {ipv4Names: "server=/cluster.local/127.0.0.1#1053\nrebind-domain-ok=/cluster.local/\n"},
		"macos":          {ipv4Names: "nameserver 127.0.0.1\nport 1053\n", ipv6Names: "nameserver ::1\nport 65535\n"},
	} {
		for n, text := range want {
			if s, err := snippet.MakeResolver(kind, n); err != nil || s.Text != text || s.Note == "" {
				t.Errorf("%s: %+v, %v, want %q", kind, s, err, text)
			}
		}
	}
	for alias, kind := range map[string]string{"systemd-resolved": "resolved", "NM": "networkmanager", "macOS": "macos"} {
		got, err := snippet.MakeResolver(alias, ipv4Names)
		want, _ := snippet.MakeResolver(kind, ipv4Names)
		if err != nil || got != want || want.Text == "" || !snippet.IsResolver(alias) || !snippet.Known(alias) {
			t.Errorf("%s: %+v, %v; want %s's", alias, got, err, kind)
		}
	}
}

// The lines for resolved are pasted into a shell. They give the servers and the domain to an interface that the same lines
// make, never to one that exists.
func TestResolvedsLinesAreWordsOfAShell(t *testing.T) {
	for n, words := range map[snippet.Nameserver][]string{
		ipv4Names: {"resolvectl dns fairlead1053 127.0.0.1:1053", "resolvectl domain fairlead1053 ~cluster.local", "resolvectl default-route fairlead1053 no"},
		ipv6Names: {"resolvectl dns fairlead65535 [::1]:65535", "resolvectl domain fairlead65535 ~k8s.example.com", "resolvectl default-route fairlead65535 no"},
	} {
		s, err := snippet.MakeResolver("resolved", n)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-eu")
		cmd.Env = append(cmd.Environ(), "HOME=/root") // for a "~" without quotes
		cmd.Stdin = strings.NewReader("sudo() { echo \"$*\"; }\n" + s.Text)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		got := strings.Split(string(out), "\n")
		for _, line := range words {
			if !slices.Contains(got, line) {
				t.Errorf("no line %q in\n%s", line, out)
			}
		}
		link := strings.Fields(words[0])[2]
		if got[0] != "ip link add "+link+" type dummy" || len(link) > 15 || strings.Contains(s.Text, "#") {
			t.Errorf("the link is not made first, its name is too long, or there is a comment:\n%s", s.Text)
		}
	}
}

func TestANameserverThatCannotBeWrittenIsAnError(t *testing.T) {
	at := ipv4Names.Address
	for _, kind := range snippet.ResolverKinds() {
		for _, n := range []snippet.Nameserver{
			{Domain: "cluster.local"}, {Address: at}, {at, "a\nserver=/#/192.0.2.1"}, {at, "../../etc/passwd"}, {at, "a/b"}, {at, "$(reboot)"}, {at, "a b"}, {at, "."}, {at, "-a"}, {at, "a#b"},
		} {
			if s, err := snippet.MakeResolver(kind, n); err == nil {
				t.Errorf("%s of %+v: %q", kind, n, s.Text)
			}
		}
	}
	if _, err := snippet.MakeResolver("cobol", ipv4Names); !errors.As(err, new(*snippet.UnknownKind)) || !strings.Contains(err.Error(), "networkmanager") {
		t.Errorf("cobol: %v", err)
	}
}

// The help topic on names must name every resolver.
func TestTheTopicOnNamesHasTheResolvers(t *testing.T) {
	text, err := os.ReadFile("../command/help/names.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "--for ")
	list, _, _ = strings.Cut(list, ")")
	kinds := strings.FieldsFunc(strings.Replace(list, "or ", "", 1), func(c rune) bool { return !('a' <= c && c <= 'z') })
	if want := snippet.ResolverKinds(); !slices.Equal(slices.Sorted(slices.Values(kinds)), slices.Sorted(slices.Values(want))) {
		t.Errorf("the topic has the resolvers %q, want %q", kinds, want)
	}
}
