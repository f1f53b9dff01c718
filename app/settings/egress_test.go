package settings

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

var deployed = Egress{Namespace: "shop", URL: "http://fairlead-egress.shop.svc:8888", Service: "1", Deployment: "2"}

func TestAnEgressIsAnUpstreamOfItsContextAlone(t *testing.T) {
	h := newHome(t, "contexts: {a: {outside: refuse}}\n")
	s := h.load()
	if err := s.SetOutside("a", EgressName); err == nil {
		t.Error("an egress that is not there was taken as a route")
	}
	if _, problem := s.Effective("a").Chain(EgressName); !strings.Contains(problem, `"fairlead egress deploy a" makes one`) {
		t.Errorf("without an egress: %s", problem)
	}
	must(t, s.EgressOf("a").Keep(deployed))
	if c := s.Effective("a"); c.Outside != Refuse || c.Egress != deployed {
		t.Errorf("deployed, and outside is %s by %+v", c.Outside, c.Egress)
	}
	must(t, s.EgressOf("a").Use())
	for _, s := range []*Settings{s, h.load()} {
		chain, problem := s.Effective("a").Chain(EgressName)
		if problem != "" || len(chain) != 1 || !chain[0].InCluster || chain[0].URL.String() != deployed.URL {
			t.Errorf("%+v %s", chain, problem)
		}
		if c := s.Effective("a"); c.Outside != EgressName {
			t.Errorf("outside is %s", c.Outside)
		}
	}
	if err := s.SetOutside("b", EgressName); err == nil {
		t.Error("another context's egress was taken as a route")
	}
	if _, there := s.Effective("b").Upstreams[EgressName]; there {
		t.Error("another context has it")
	}
}

func TestLeavingAnEgressBringsBackTheRouteBefore(t *testing.T) {
	for name, row := range map[string]struct {
		file    string
		before  func(*Settings) error
		between func(*Settings) error
		want    Outside
	}{
		"the default":             {want: Direct},
		"the file's":              {file: "contexts: {a: {outside: refuse}}\n", want: Refuse},
		"chosen before":           {before: func(s *Settings) error { return s.SetOutside("a", Refuse) }, want: Refuse},
		"chosen meanwhile":        {between: func(s *Settings) error { return s.SetOutside("a", Refuse) }, want: Refuse},
		"used twice":              {before: func(s *Settings) error { return s.SetOutside("a", Refuse) }, between: func(s *Settings) error { return s.EgressOf("a").Use() }, want: Refuse},
		"an upstream of the file": {file: "upstreams: {corp: {url: \"http://p\"}}\ncontexts: {a: {outside: corp}}\n", want: "corp"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newHome(t, row.file).load()
			if row.before != nil {
				must(t, row.before(s))
			}
			must(t, s.EgressOf("a").Keep(deployed), s.EgressOf("a").Use())
			if row.between != nil {
				must(t, row.between(s))
			}
			must(t, s.EgressOf("a").Leave())
			if c := s.Effective("a"); c.Outside != row.want || c.Egress != deployed {
				t.Errorf("left, outside is %s by %+v, want %s", c.Outside, c.Egress, row.want)
			}
			must(t, s.EgressOf("a").Forget())
			if c := s.Effective("a"); c.Outside != row.want || c.Egress != (Egress{}) {
				t.Errorf("forgotten, outside is %s by %+v, want %s", c.Outside, c.Egress, row.want)
			}
		})
	}
}

// What another program has saved is known after ReadState.
func TestTheStateIsReadAgain(t *testing.T) {
	h := newHome(t, "")
	running, other := h.load(), h.load()
	must(t, other.EgressOf("a").Keep(deployed), other.EgressOf("a").Use())
	if c := running.Effective("a"); c.Outside != Direct {
		t.Fatalf("outside is %s before the state was read", c.Outside)
	}
	must(t, running.ReadState())
	if c := running.Effective("a"); c.Outside != EgressName || c.Egress != deployed {
		t.Errorf("outside is %s by %+v", c.Outside, c.Egress)
	}
}

func TestRoutesOfTheFileCanNameTheEgress(t *testing.T) {
	s := newHome(t, "contexts: {a: {routes: [{to: [\"*.corp.example\"], via: fairlead-egress}]}}\n").load()
	if err := s.Problem(); err != nil {
		t.Errorf("a route by the egress: %v", err)
	}
	s = newHome(t, "upstreams: {fairlead-egress: {url: \"http://p\"}}\n").load()
	if err := s.Problem(); err == nil || !strings.Contains(err.Error(), "no upstream can be named fairlead-egress") {
		t.Errorf("an upstream of that name: %v", err)
	}
}

// A state that was edited by hand leads nowhere.
func TestAnEgressWithoutAnAddressIsRefused(t *testing.T) {
	s := newHome(t, "").load()
	must(t, s.EgressOf("a").Keep(Egress{Namespace: "shop", URL: "nonsense"}), s.EgressOf("a").Use())
	if _, problem := s.Effective("a").Chain(EgressName); !strings.Contains(problem, "no address") {
		t.Errorf("%q", problem)
	}
}

func TestTheCertificatesOfAnEgressAreForItsUserAlone(t *testing.T) {
	h := newHome(t, "")
	s := h.load()
	const name = "../odd/name"
	e, err := s.EgressOf(name).KeepCertificates(deployed, []byte("ca"), []byte("cert"), []byte("key"))
	must(t, err, s.EgressOf(name).Keep(e))
	got := h.load().Effective(name)
	if got.Egress != e || !e.HasCertificates() {
		t.Errorf("%+v, want %+v", got.Egress, e)
	}
	chain, problem := got.Chain(EgressName)
	if problem != "" || len(chain) != 1 || chain[0].CA != e.CA || chain[0].Cert != e.Cert || chain[0].Key != e.Key || !chain[0].Secure() {
		t.Errorf("%+v %s", chain, problem)
	}
	folder := filepath.Dir(e.Key)
	if inside, err := filepath.Rel(s.store.dir, folder); err != nil || !filepath.IsLocal(inside) {
		t.Errorf("they are in %s", folder)
	}
	for path, want := range map[string]os.FileMode{folder: 0o700, e.CA: 0o600, e.Cert: 0o600, e.Key: 0o600} {
		info, err := os.Stat(path)
		must(t, err)
		if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode != want {
			t.Errorf("%s: %v", path, mode)
		}
	}
	must(t, os.Remove(e.Cert))
	if e.HasCertificates() {
		t.Error("it has a file that is gone")
	}
	must(t, s.EgressOf(name).Forget())
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("they are left: %v", err)
	}
}

func TestWhatTheStateNamesIsNotRemoved(t *testing.T) {
	s := newHome(t, "").load()
	theirs := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(theirs, []byte("key"), 0o600))
	e := deployed
	e.CA, e.Cert, e.Key = theirs, theirs, theirs
	must(t, s.EgressOf("a").Keep(e), s.EgressOf("a").Forget())
	if _, err := os.Stat(theirs); err != nil {
		t.Error(err)
	}
}
