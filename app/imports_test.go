package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A ban forbids an import of a package, also an indirect one, and says why.
type ban struct{ from, to, why string }

var bans = []ban{
	{"fairlead/proxy", "k8s.io/", "the engine knows no Kubernetes: any Dialer will do"},
	{"fairlead/proxy", "fairlead/kube", "the engine knows no Kubernetes: any Dialer will do"},
	{"fairlead/proxy", "fairlead/app", "the engine knows no desktop"},
	{"fairlead/proxy/safetext", "fairlead/", "a leaf, which every other package may import"},
	{"fairlead/proxy/admission", "fairlead/", "a leaf: what clients may cost does not depend on what they ask for"},
	{"fairlead/proxy/browser", "fairlead/", "a leaf: what a browser says is in its request"},
	{"fairlead/proxy/http1", "fairlead/", "a leaf: what is HTTP is a question of bytes"},
	{"fairlead/proxy/peer", "fairlead/", "a leaf: whose a connection is does not depend on what it is for"},
	{"fairlead/proxy/capture", "fairlead/", "a leaf: packets and connections, whatever they are for"},
	{"fairlead/proxy/nameserver", "fairlead/", "a leaf: DNS is the same for any source of names"},
	{"fairlead/proxy/virtual", "fairlead/", "a leaf: names and numbers"},
	{"fairlead/proxy/socks", "fairlead/", "a leaf: handshakes are bytes, whatever is done with them"},
	{"fairlead/proxy/hostport", "fairlead/", "a leaf: what can be asked for does not depend on how it is reached"},
	{"fairlead/proxy/stream", "fairlead/", "a leaf: connections, whatever they carry"},
	{"fairlead/proxy/upstream", "fairlead/", "a leaf: ways through forward proxies, for whatever dials"},
	{"fairlead/proxy", "fyne.io/", "the engine knows no desktop"},
	{"fairlead/proxy", "github.com/godbus/", "the engine knows no desktop"},

	{"fairlead/kube", "fairlead/proxy", "reaching into a cluster is of use without a proxy"},
	{"fairlead/kube", "fairlead/app", "reaching into a cluster knows no desktop"},
	{"fairlead/kube", "github.com/things-go/", "reaching into a cluster knows no SOCKS"},
	{"fairlead/kube", "fyne.io/", "reaching into a cluster knows no desktop"},
	{"fairlead/kube/spdy", "k8s.io/", "frames and streams, and no Kubernetes"},
	{"fairlead/kube/spdy", "fairlead/", "frames and streams, and nothing else of ours"},
	{"fairlead/kube/kubeconfig", "fairlead/kube/portforward", "reading files asks no server"},
	{"fairlead/kube/kubeconfig", "fairlead/kube/plugin", "reading files runs nothing"},
	{"fairlead/kube/kubeconfig", "fairlead/kube/oidc", "reading files asks no identity provider"},
	{"fairlead/kube", "k8s.io/client-go/plugin/pkg/client/auth/oidc", "it has no bounds, and follows redirects with the refresh token: kube/oidc is ours"},
	{"fairlead/kube/egress", "k8s.io/client-go/kubernetes", "objects are read and written by kube/api, within its bounds"},
	{"fairlead/kube/egress", "fairlead/kube/portforward", "what is deployed does not depend on how it is reached"},
	{"fairlead/kube/fault", "k8s.io/", "views read these types, and must not be tied to client-go by them"},
	{"fairlead/kube/carrier", "fairlead/", "the seam knows neither side of it"},
	{"fairlead/kube/carrier", "k8s.io/", "a carrier need not know the API server"},
	{"fairlead/kube/retryafter", "fairlead/", "a header and a wait, and nothing else of ours"},
	{"fairlead/kube/retryafter", "k8s.io/", "a header and a wait, and no Kubernetes"},
	{"fairlead/kube/jsonstream", "k8s.io/", "bytes and bounds, and no Kubernetes"},
	{"fairlead/kube/refcount", "fairlead/", "values and their users, whatever they are"},
	{"fairlead/kube/filewatch", "fairlead/", "when files change, and nothing of what is in them"},

	{"fairlead/app/session", "fairlead/", "the model knows nobody: it is handed what starts a proxy"},
	{"fairlead/app/gateway", "fairlead/app/tray", "a context works without a desktop"},
	{"fairlead/app/gateway", "fairlead/app/desktop", "a context works without a desktop"},
	{"fairlead/app/gateway", "fairlead/app/notify", "a context works without a desktop"},
	{"fairlead/app/gateway", "fairlead/app/menu", "a context works without a view"},
	{"fairlead/app/instance", "fairlead/app/tray", "tray and serve share it"},
	{"fairlead/app/instance", "fairlead/app/menu", "it is shown by others"},
	{"fairlead/app/instance", "fairlead/app/notify", "it is shown by others"},
	{"fairlead/app/cli", "fairlead/app/tray", "commands work without a desktop's panel"},
	{"fairlead/app/cli", "fairlead/app/actions", "commands work without a menu"},
	{"fairlead/app/actions", "fairlead/app/tray", "the tray is handed what clicks do"},
	{"fairlead/app/netns", "fairlead/", "it runs any program, and does not know what its device leads to"},
	{"fairlead/app/inside", "fairlead/app/tray", "a program inside needs no desktop"},
	{"fairlead/app/inside", "fairlead/app/notify", "a program inside needs no desktop"},
	{"fairlead/app/settings", "fairlead/", "the state on disk knows nobody"},
	{"fairlead/app/menu", "fairlead/proxy", "the menu is a function of the model's snapshot alone"},
	{"fairlead/app/menu", "fairlead/kube", "the menu is a function of the model's snapshot alone"},
	{"fairlead/app/menu", "fyne.io/", "the menu is data; tray draws it"},
	{"fairlead/app/tray", "fairlead/proxy", "the tray is one client of the model"},
	{"fairlead/app/tray", "fairlead/kube", "the tray is one client of the model"},
	{"fairlead/app/tray", "github.com/esiqveland/", "notifications need a D-Bus connection that is not the tray's"},
	{"fairlead/app/tray", "github.com/gen2brain/", "notifications need a D-Bus connection that is not the tray's"},
	{"fairlead/app/desktop", "fairlead/", "the services of a desktop know nobody"},
	{"fairlead/app/notify", "fyne.io/", "notifications need a D-Bus connection that is not the tray's"},
	{"fairlead/app/explain", "k8s.io/", "sentences are made of kube/fault's types"},
	{"fairlead/app/explain", "github.com/things-go/", "sentences are made of kube/fault's types"},
	{"fairlead/app/control", "fairlead/proxy", "the socket is one client of the model"},
	{"fairlead/app/control", "fairlead/kube", "the socket is one client of the model"},
	{"fairlead/app/shellenv", "fairlead/", "the shell's environment knows nobody"},
	{"fairlead/app/ownfile", "fairlead/", "a leaf: opening a file knows nobody"},
	{"fairlead/app/spool", "fairlead/", "lines and where they go know nobody"},
	{"fairlead/app/table", "fairlead/", "text and its width, whatever it says"},
	{"fairlead/app/portholder", "fairlead/", "who has a port is no matter of what listens there"},
	{"fairlead/app/wake", "fairlead/", "a wake concerns nobody in particular"},
	{"fairlead/app/command", "fairlead/", "the command line says which words there are, not what they do"},
	{"fairlead/app/snippet", "fairlead/", "what is pasted is made of an address and a password alone"},
	{"fairlead/assets", "fairlead/", "pictures know nobody"},

	{"fairlead/app", "fairlead/build", "what makes and tests Fairlead is no part of it"},
}

// leaves are packages that all others may import, whatever else they may not.
var leaves = []string{"fairlead/proxy/safetext", "fairlead/proxy/stream", "fairlead/proxy/hostport", "fairlead/app/ownfile"}

// An exception lets a package, and those below it, import one that a ban would forbid them.
type exception struct{ from, to string }

var exceptions = []exception{
	{"fairlead/kube", "fairlead/proxy/upstream"},
}

// allowed reports whether no ban holds for an import.
func allowed(from, to string) bool {
	return slices.Contains(leaves, to) ||
		slices.ContainsFunc(exceptions, func(e exception) bool { return covers(e.from, from) && e.to == to })
}

// A home says which packages, with those below them, may import a library, so that replacing it changes few places. Of two
// that fit, the longer library's holds.
type home struct {
	library string
	in      []string
}

// anywhere is what is imported as if it were a part of the standard library.
var anywhere = []string{"fairlead"}

// homes has every library that the product imports.
var homes = []home{
	{"fyne.io/systray", []string{"fairlead/app/tray"}},
	{"github.com/adrg/xdg", []string{"fairlead/app/settings"}},
	{"github.com/atotto/clipboard", []string{"fairlead/app/desktop"}},
	{"github.com/esiqveland/notify", []string{"fairlead/app/notify"}},
	{"github.com/fsnotify/fsnotify", []string{"fairlead/kube/filewatch"}},
	{"github.com/gen2brain/beeep", []string{"fairlead/app/notify"}},
	{"github.com/godbus/dbus", []string{"fairlead/app/tray", "fairlead/app/notify"}}, // each has a connection of its own
	{"github.com/gofrs/flock", []string{"fairlead/app/settings"}},
	{"github.com/jezek/xgb", []string{"fairlead/app/desktop"}},
	{"github.com/miekg/dns", []string{"fairlead/proxy/nameserver"}},
	{"github.com/rs/zerolog", anywhere}, // a Logger is handed to whatever logs
	{"github.com/spf13/cobra", []string{"fairlead/app/command"}},
	{"github.com/rivo/uniseg", []string{"fairlead/app/table"}},
	{"github.com/things-go/go-socks5", []string{"fairlead/proxy/socks"}},
	{"go.uber.org/goleak", []string{"fairlead/proxy/dialtest"}},
	{"golang.org/x/net/dns/dnsmessage", []string{"fairlead/kube/konnectivity"}},
	{"golang.org/x/net/http/httpproxy", []string{"fairlead/proxy/upstream"}},
	{"golang.org/x/net/publicsuffix", []string{"fairlead/kube"}},
	{"golang.org/x/sync/errgroup", anywhere}, // a WaitGroup whose goroutines can fail
	{"golang.org/x/sys/unix", []string{"fairlead/app/control", "fairlead/app/netns", "fairlead/kube/portforward", "fairlead/proxy/peer", "fairlead/proxy/stream"}},
	{"golang.org/x/sys/windows", []string{"fairlead/app/table", "fairlead/app/tray", "fairlead/proxy/peer"}},
	{"golang.org/x/sys/windows/registry", []string{"fairlead/app/desktop"}},
	{"golang.org/x/term", []string{"fairlead/app/table"}},
	{"google.golang.org/grpc", []string{"fairlead/kube/konnectivity"}},
	{"gopkg.in/natefinch/lumberjack.v2", []string{"fairlead/app/logging"}},
	{"gopkg.in/yaml.v3", []string{"fairlead/app/settings", "fairlead/kube/kubeconfig"}}, // lines of files of the user's
	{"gvisor.dev/gvisor", []string{"fairlead/proxy/capture"}},
	{"k8s.io/apimachinery", []string{"fairlead/kube"}},
	{"k8s.io/client-go", []string{"fairlead/kube"}},
	{"k8s.io/klog", []string{"fairlead/kube"}},
	{"sigs.k8s.io/apiserver-network-proxy/konnectivity-client", []string{"fairlead/kube/konnectivity"}},
	{"sigs.k8s.io/yaml", []string{"fairlead/app/cli", "fairlead/kube/kubeconfig", "fairlead/kube/plugin"}},
}

// homeOf returns the home of an imported package, and false if it has none.
func homeOf(dep string) (of home, ok bool) {
	for _, h := range homes {
		if (dep == h.library || strings.HasPrefix(dep, h.library+"/")) && len(h.library) > len(of.library) {
			of, ok = h, true
		}
	}
	return of, ok
}

// isLibrary reports whether a package is neither ours nor of the standard library, whose paths begin with no domain.
func isLibrary(dep string) bool {
	first, _, _ := strings.Cut(dep, "/")
	return strings.Contains(first, ".")
}

// listed is one package of Fairlead, with its direct imports and all its imports.
type listed struct {
	name          string
	imports, deps []string
}

func list(t *testing.T, system string) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}}|{{join .Imports " "}}|{{join .Deps " "}}`,
		"fairlead/app/...", "fairlead/proxy/...", "fairlead/kube/...", "fairlead/assets/...")
	cmd.Env = append(cmd.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list for %s: %v", system, err)
	}
	var packages []listed
	for line := range strings.Lines(string(out)) {
		field := strings.Split(strings.TrimSpace(line), "|")
		packages = append(packages, listed{field[0], strings.Fields(field[1]), strings.Fields(field[2])})
	}
	return packages
}

// covers reports whether a rule applies to a package: rules apply to subpackages, except that those of package main
// (fairlead/app) are its own.
func covers(rule, name string) bool {
	return rule == name || rule != "fairlead/app" && strings.HasPrefix(name, rule+"/")
}

// broken describes the rules that packages break.
func broken(packages []listed) []string {
	var faults []string
	for _, p := range packages {
		for _, b := range bans {
			if !covers(b.from, p.name) {
				continue
			}
			for _, dep := range p.deps {
				if strings.HasPrefix(dep, b.to) && !covers(b.from, dep) && !allowed(p.name, dep) {
					faults = append(faults, fmt.Sprintf("%s imports %s: %s", p.name, dep, b.why))
				}
			}
		}
		for _, dep := range p.imports {
			if !isLibrary(dep) {
				continue
			}
			h, ok := homeOf(dep)
			if !ok {
				faults = append(faults, fmt.Sprintf("%s imports %s, which has no home", p.name, dep))
			} else if !slices.ContainsFunc(h.in, func(in string) bool { return covers(in, p.name) }) {
				faults = append(faults, fmt.Sprintf("%s imports %s: only %s may", p.name, dep, strings.Join(h.in, ", ")))
			}
		}
	}
	return faults
}

func TestImportsKeepTheHouseInOrder(t *testing.T) {
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, fault := range broken(list(t, system)) {
			t.Errorf("%s: %s", system, fault)
		}
	}
}

// A rule that names a package that does not exist any more has no effect.
func TestImportRulesNameWhatThereIs(t *testing.T) {
	there := map[string]bool{}
	used := map[string]bool{}
	for _, system := range []string{"linux", "windows"} {
		for _, p := range list(t, system) {
			there[p.name] = true
			for _, dep := range p.imports {
				h, _ := homeOf(dep)
				for _, in := range h.in {
					used[h.library+" in "+in] = used[h.library+" in "+in] || covers(in, p.name)
				}
			}
		}
	}
	for _, b := range bans {
		if !there[b.from] {
			t.Errorf("a rule speaks of %s, which is not there", b.from)
		}
	}
	for _, e := range exceptions {
		if !there[e.from] || !there[e.to] {
			t.Errorf("an exception lets %s import %s, and one of them is not there", e.from, e.to)
		}
	}
	for _, h := range homes {
		for _, in := range h.in {
			if !used[h.library+" in "+in] {
				t.Errorf("%s is at home in %s, which does not import it", h.library, in)
			}
		}
	}
}

// The README's table names the libraries that have a home, and no others.
func TestTheREADMENamesEveryLibrary(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "### Libraries\n")
	var names []string
	for line := range strings.Lines(section) {
		if row := strings.Split(line, "|"); len(row) > 3 {
			for name := range strings.SplitSeq(row[1], ",") {
				name, _, _ = strings.Cut(strings.TrimSpace(name), " ") // "(Linux)" and the like
				names = append(names, name)
			}
		}
	}
	names = names[min(2, len(names)):] // not the table's head
	short := strings.NewReplacer("github.com/", "", "gopkg.in/", "")
	for _, h := range homes {
		if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(short.Replace(h.library), name) }) {
			t.Errorf("the table does not name %s", h.library)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(homes, func(h home) bool { return strings.HasPrefix(short.Replace(h.library), name) }) {
			t.Errorf("the table names %s, which has no home", name)
		}
	}
}

func TestABrokenImportRuleIsNoticed(t *testing.T) {
	faults := broken([]listed{
		{name: "fairlead/proxy", deps: []string{"k8s.io/client-go/rest"}},
		{name: "fairlead/app/menu", imports: []string{"fyne.io/systray"}, deps: []string{"fyne.io/systray"}},
		{name: "fairlead/kube/portforward", imports: []string{"k8s.io/client-go/rest"}, deps: []string{"k8s.io/client-go/rest", "fairlead/kube/spdy", "fairlead/proxy/upstream"}},
		{name: "fairlead/kube/fault", deps: []string{"fairlead/proxy/pac"}},
		{name: "fairlead/app/desktop", imports: []string{"fmt", "golang.org/x/sys/windows/registry", "golang.org/x/sys/windows"}},
		{name: "fairlead/proxy/pac", imports: []string{"net/http", "github.com/rs/zerolog", "example.com/library"}},
	})
	if len(faults) != 6 {
		t.Fatalf("want 6 faults (two for menu, one for each of proxy, fault, desktop and pac), have %d: %q", len(faults), faults)
	}
}

// The README's map has a line for every package of the product, and names every part of build.
func TestTheMapNamesEveryPackage(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "## The map\n")
	_, section, _ = strings.Cut(section, "```\n")
	section, _, _ = strings.Cut(section, "```\n")
	product, parts, _ := strings.Cut(section, "\n build ")
	named := map[string]bool{}
	room := ""
	for line := range strings.Lines(product) {
		switch word := strings.Fields(line); {
		case len(word) < 2:
		case strings.ContainsAny(word[0], "├└"):
			named["fairlead/"+room+"/"+word[1]] = true
		case !strings.Contains(word[0], "│"):
			room = word[0]
			named["fairlead/"+room] = true
		}
	}
	for _, system := range []string{"linux", "windows"} {
		for _, p := range list(t, system) {
			if !named[p.name] {
				t.Errorf("the map has no line for %s", p.name)
			}
		}
	}
	for name := range named {
		if _, err := os.Stat("../" + strings.TrimPrefix(name, "fairlead/")); err != nil {
			t.Errorf("the map has a line for %s, which is not there", name)
		}
	}
	entries, err := os.ReadDir("../build")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.FieldsFunc(parts, func(r rune) bool { return !('a' <= r && r <= 'z') })
	for _, e := range entries {
		if e.IsDir() && !slices.Contains(words, e.Name()) {
			t.Errorf("the map does not name build/%s", e.Name())
		}
	}
}
