package settings

import (
	"strings"
	"testing"
)

func TestKonnectivityInTheSettings(t *testing.T) {
	c, err := Parse([]byte(`
contexts:
  guest:
    carrier: konnectivity
    konnectivity: {server: "https://konnectivity:8090", ca: ca.crt, cert: tls.crt, key: /run/tls.key, mode: grpc, dns: false}
  bare:
    carrier: konnectivity
  other:
    konnectivity: {server: "unix:///run/konnectivity.sock"}
`), "/home/me/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	guest := c.context("guest", contextState{})
	want := Konnectivity{Server: "https://konnectivity:8090", CA: "/home/me/ca.crt", Cert: "/home/me/tls.crt", Key: "/run/tls.key", Mode: "grpc", DNS: NoDNS}
	if guest.Konnectivity != want || guest.Problem != "" {
		t.Errorf("%+v, %q", guest.Konnectivity, guest.Problem)
	}
	if files := strings.Join(guest.KonnectivityFiles(), " "); files != "/home/me/ca.crt /home/me/tls.crt /run/tls.key" {
		t.Errorf("files %s", files)
	}
	if bare := c.context("bare", contextState{}); !strings.Contains(bare.Problem, "no konnectivity with the server") {
		t.Errorf("a carrier without a server: %q", bare.Problem)
	}
	if other := c.context("other", contextState{}); other.Konnectivity != (Konnectivity{}) || other.Problem != "" {
		t.Errorf("a server without the carrier: %+v, %q", other.Konnectivity, other.Problem)
	}
	if len(c.references) != 2 || c.references[0].Line != 5 || c.references[0].Konnectivity == nil {
		t.Errorf("references %+v", c.references)
	}
}

func TestKonnectivityProblemsHaveTheirLine(t *testing.T) {
	for value, want := range map[string]string{
		`{}`:                                  "takes a server",
		`{server: "ftp://x:1"}`:               "https://HOST:PORT",
		`{server: "https://u:secret@x:1"}`:    "https://HOST:PORT",
		`{server: "https://x:1/path"}`:        "https://HOST:PORT",
		`{server: "unix://x/path"}`:           "unix:///PATH",
		`{server: "unix:///x", ca: ca.crt}`:   "are for a server with https, and it has unix",
		`{server: "https://x:1", cert: a}`:    "only one of them",
		`{server: "https://x:1", mode: tcp}`:  "http-connect or grpc",
		`{server: "https://x:1", dns: maybe}`: "true, false, or the HOST:PORT",
		`{server: "https://x:1", srever: x}`:  "did you mean server?",
	} {
		_, err := Parse([]byte("defaults:\n  konnectivity: "+value), "config.yaml")
		if err == nil || !strings.HasPrefix(err.Error(), "config.yaml:2: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %s", value, err, want)
		}
	}
}

func TestCommandLinesServerReplacesTheSettings(t *testing.T) {
	s := &Settings{UserFile: readUserFile("none", "", false), learned: learned{OpenMemory()}}
	s.UseKonnectivity("guest", Konnectivity{Server: "http://127.0.0.1:8090"})
	if c := s.Effective("guest"); c.Carrier != KonnectivityCarrier || c.Konnectivity.Server != "http://127.0.0.1:8090" {
		t.Errorf("%+v", c)
	}
	if c := s.Effective("other"); c.Carrier != "" {
		t.Errorf("another context has the carrier %q", c.Carrier)
	}
	first, err := s.Prepare("guest") // in memory, a port is assigned as on disk
	if err != nil || first.Port() == 0 {
		t.Errorf("port %d, %v", first.Port(), err)
	}
	if again, err := s.Prepare("guest"); err != nil || again.Port() != first.Port() {
		t.Errorf("port %d, then %d, %v", first.Port(), again.Port(), err)
	}
}
