package settings

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// firstVersion is a state as the first version of the file had it.
const firstVersion = `{
  "version": 1,
  "contexts": {
    "dev": {
      "port": 1081,
      "on": false
    },
    "staging": {
      "port": 1080,
      "moved": 1085,
      "on": true,
      "used": 1764000000,
      "password": "generated",
      "ranges": "10.96.0.0/12 fd00:96::/112",
      "namespaces": "dev shop",
      "namespace": {
        "value": "web",
        "over": ""
      },
      "outside": {
        "value": "refuse",
        "over": "direct"
      },
      "production": {
        "value": "true",
        "over": "false"
      },
      "wantsPassword": {
        "value": "true",
        "over": "false"
      }
    },
    "unused": {
      "on": false,
      "namespaces": "one"
    }
  },
  "notifications": {
    "dials": {
      "value": "false",
      "over": "true"
    }
  },
  "plugins": {
    "0123": true
  }
}
`

// sameAsFirstVersion fails the test unless s has everything of firstVersion.
func sameAsFirstVersion(t *testing.T, s *Settings) {
	t.Helper()
	c := s.Effective("staging")
	if c.Port() != 1080 || c.Namespace != "web" || c.Outside != Refuse || !c.Production || c.Used.Unix() != 1764000000 {
		t.Errorf("staging is %+v", c)
	}
	if !c.Password || c.Credentials != (Credentials{"fairlead", "generated"}) {
		t.Errorf("the password of staging is lost: %t, %v", c.Password, c.Credentials.User)
	}
	want := Seen{Ranges: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12"), netip.MustParsePrefix("fd00:96::/112")}, Namespaces: []string{"dev", "shop"}}
	if got := s.Seen("staging"); !reflect.DeepEqual(got, want) {
		t.Errorf("the cluster of staging has %+v, want %+v", got, want)
	}
	if got := s.Seen("unused"); !reflect.DeepEqual(got, Seen{Namespaces: []string{"one"}}) {
		t.Errorf("the cluster of unused has %+v", got)
	}
	if dev, unused := s.Effective("dev"), s.Effective("unused"); dev.Port() != 1081 || unused.Port() != 0 {
		t.Errorf("dev has port %d, unused %d", dev.Port(), unused.Port())
	}
	if on := s.store.On(); !slices.Equal(on, []string{"staging"}) {
		t.Errorf("on are %v", on)
	}
	if known := s.store.known(); s.Notifies(NotifyDials) || !known.Plugins["0123"] || known.Contexts["staging"].proxyPort().Moved != 1085 {
		t.Errorf("notifications, plugins or the other port are lost: %+v", known)
	}
}

func TestAStateOfTheFirstVersionIsKeptAndWrittenInTheNewForm(t *testing.T) {
	h := newHome(t, "")
	must(t, os.MkdirAll(h.dir, 0o700))
	path := filepath.Join(h.dir, fileName)
	must(t, os.WriteFile(path, []byte(firstVersion), 0o600))
	sameAsFirstVersion(t, h.load())
	sameAsFirstVersion(t, Peek(h.dir, h.file))
	if text, err := os.ReadFile(path); err != nil || string(text) != firstVersion {
		t.Errorf("reading it has changed it: %s, %v", text, err)
	}

	must(t, h.load().SetNamespace("dev", "shop"))
	text, err := os.ReadFile(path)
	must(t, err)
	var written struct {
		Version  int
		Contexts map[string]struct {
			Ports              []map[string]int
			Ranges, Namespaces []string
		}
	}
	if err := json.Unmarshal(text, &written); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	staging := written.Contexts["staging"]
	if got, want := fmt.Sprint(written.Version, staging.Ports, staging.Ranges, staging.Namespaces),
		"2 [map[moved:1085 port:1080]] [10.96.0.0/12 fd00:96::/112] [dev shop]"; got != want {
		t.Errorf("written as %s, want %s", got, want)
	}
	sameAsFirstVersion(t, h.load())
	if got := h.load().Effective("dev").Namespace; got != "shop" {
		t.Errorf("the namespace of dev is %q", got)
	}
}

func TestPortsOfFurtherEndpointsAreKept(t *testing.T) {
	dir := t.TempDir()
	text := `{"version":2,"contexts":{"a":{"ports":[{},{"port":1081}],"on":false},"b":{"ports":[{"port":1080},{"port":1081},{"port":1082}],"on":false}}}`
	must(t, os.WriteFile(filepath.Join(dir, fileName), []byte(text), 0o600))
	s := open(t, dir)
	if a, b := port(t, s, "a"), port(t, s, "b"); a != 1083 || b != 1080 {
		t.Errorf("a has port %d and b %d, want 1083 and 1080", a, b)
	}
	for name, want := range map[string][]assignedPort{"a": {{Port: 1083}, {Port: 1081}}, "b": {{Port: 1080}, {}, {Port: 1082}}} {
		if got := open(t, dir).remembered(name).Ports; !slices.Equal(got, want) {
			t.Errorf("%s has the ports %v, want %v", name, got, want)
		}
	}
}

func TestStatesOfAContextThatDifferInAnyFieldAreNotEqual(t *testing.T) {
	none := contextState{}
	if !none.equal(contextState{Ranges: []string{}}) {
		t.Error("an empty list differs from none")
	}
	for field := range reflect.TypeFor[contextState]().Fields() {
		var one contextState
		switch to := reflect.ValueOf(&one).Elem().FieldByIndex(field.Index).Addr().Interface().(type) {
		case *[]assignedPort:
			*to = []assignedPort{{Port: 1080}}
		case *[]chosenForward:
			*to = []chosenForward{{"127.0.0.1:1", "a:1", "tcp"}}
		case *[]string:
			*to = []string{"x"}
		case *egressState:
			to.Service = "x"
		case *choice:
			*to = choice{"x", "y"}
		case *string:
			*to = "x"
		case *bool:
			*to = true
		case *int64:
			*to = 1
		default:
			t.Fatalf("this test knows no value for %s", field.Name)
		}
		if one.equal(none) || none.equal(one) || !one.equal(one) {
			t.Errorf("%s makes no difference, or differs from itself", field.Name)
		}
	}
}
