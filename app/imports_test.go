package main

import (
	"fmt"
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
	{"fairlead/kube/fault", "k8s.io/", "views read these types, and must not be tied to client-go by them"},
	{"fairlead/kube/retryafter", "fairlead/", "a header and a wait, and nothing else of ours"},
	{"fairlead/kube/retryafter", "k8s.io/", "a header and a wait, and no Kubernetes"},
	{"fairlead/kube/jsonstream", "k8s.io/", "bytes and bounds, and no Kubernetes"},
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
	{"fairlead/app/portholder", "fairlead/", "who has a port is no matter of what listens there"},
	{"fairlead/app/wake", "fairlead/", "a wake concerns nobody in particular"},
	{"fairlead/app/command", "fairlead/", "the command line says which words there are, not what they do"},
	{"fairlead/app/snippet", "fairlead/", "what is pasted is made of an address and a password alone"},
	{"fairlead/assets", "fairlead/", "pictures know nobody"},

	{"fairlead/app", "fairlead/build", "what makes and tests Fairlead is no part of it"},
}

// leaves are packages that all others may import, whatever else they may not.
var leaves = []string{"fairlead/proxy/safetext", "fairlead/app/ownfile"}

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

// A home is the only package that may import a library, so that replacing the library changes one place.
type home struct{ library, in string }

var homes = []home{
	{"fyne.io/systray", "fairlead/app/tray"},
	{"github.com/things-go/go-socks5", "fairlead/proxy"},
	{"github.com/fsnotify/fsnotify", "fairlead/kube/filewatch"},
	{"github.com/adrg/xdg", "fairlead/app/settings"},
	{"github.com/gofrs/flock", "fairlead/app/settings"},
	{"github.com/spf13/cobra", "fairlead/app/command"},
	{"github.com/esiqveland/notify", "fairlead/app/notify"},
	{"github.com/gen2brain/beeep", "fairlead/app/notify"},
	{"github.com/jezek/xgb", "fairlead/app/desktop"},
	{"github.com/atotto/clipboard", "fairlead/app/desktop"},
	{"gopkg.in/natefinch/lumberjack.v2", "fairlead/app/logging"},
	{"k8s.io/client-go", "fairlead/kube"}, // and its subpackages
	{"k8s.io/apimachinery", "fairlead/kube"},
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
		for _, h := range homes {
			for _, dep := range p.imports {
				if (dep == h.library || strings.HasPrefix(dep, h.library+"/")) && !covers(h.in, p.name) {
					faults = append(faults, fmt.Sprintf("%s imports %s: only %s may", p.name, dep, h.in))
				}
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
				for _, h := range homes {
					if dep == h.library || strings.HasPrefix(dep, h.library+"/") {
						used[h.library] = true
					}
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
		if !there[h.in] {
			t.Errorf("%s is at home in %s, which is not there", h.library, h.in)
		}
		if !used[h.library] {
			t.Errorf("%s is at home in %s, and no package imports it", h.library, h.in)
		}
	}
}

func TestABrokenImportRuleIsNoticed(t *testing.T) {
	faults := broken([]listed{
		{name: "fairlead/proxy", deps: []string{"k8s.io/client-go/rest"}},
		{name: "fairlead/app/menu", imports: []string{"fyne.io/systray"}, deps: []string{"fyne.io/systray"}},
		{name: "fairlead/kube/portforward", imports: []string{"k8s.io/client-go/rest"}, deps: []string{"k8s.io/client-go/rest", "fairlead/kube/spdy", "fairlead/proxy/upstream"}},
		{name: "fairlead/kube/fault", deps: []string{"fairlead/proxy/pac"}},
	})
	if len(faults) != 4 {
		t.Fatalf("want 4 faults (one for proxy, two for menu, one for fault), have %d: %q", len(faults), faults)
	}
}
