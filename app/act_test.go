package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/app/menu"
	"fairlead/app/settings"
)

// clerkWith makes a clerk whose settings file says text. Nothing runs.
func clerkWith(t *testing.T, text string) *clerk {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	store, damage, err := settings.Open(filepath.Join(dir, "state"))
	if err != nil || damage != nil {
		t.Fatal(err, damage)
	}
	p := &program{store: store, settings: settings.Load(store, file), dir: dir, wiring: &wiring{}}
	if err := p.settings.Problem(); err != nil {
		t.Fatal(err)
	}
	return &clerk{program: p}
}

func TestWhatIsCopiedHasThePasswordAndWhatIsSaidHasNot(t *testing.T) {
	const secret = "a/long:password"
	c := clerkWith(t, "contexts:\n  demo:\n    port: 1234\n    password: {user: me, password: \""+secret+"\"}\n")
	for _, test := range []struct {
		click menu.Click
		want  string
	}{
		{menu.Click{Action: menu.CopySOCKS5, Context: "demo"}, "socks5h://me:a%2Flong%3Apassword@127.0.0.1:1234"},
		{menu.Click{Action: menu.CopyHTTP, Context: "demo"}, "http://me:a%2Flong%3Apassword@127.0.0.1:1234"},
		{menu.Click{Action: menu.CopySnippet, Context: "demo", Argument: "curl"}, "me:a%2Flong%3Apassword@127.0.0.1:1234"},
	} {
		text, said, err := c.copied(test.click)
		if err != nil || !strings.Contains(text, test.want) {
			t.Errorf("%s copies %q, %v; want %q in it", test.click.Action, text, err, test.want)
		}
		if said == "" || strings.Contains(said, "password") {
			t.Errorf("%s says %q", test.click.Action, said)
		}
	}
}

func TestTheExampleIsWrittenOnceAndChangesNothing(t *testing.T) {
	c := clerkWith(t, "")
	file := filepath.Join(t.TempDir(), "not there yet", "config.yaml")
	if err := writeExample(file); err != nil {
		t.Fatal(err)
	}
	if got := settings.Load(c.store, file); got.Problem() != nil || got.Effective("any").Fingerprint() != c.settings.Effective("any").Fingerprint() {
		t.Errorf("the example says other things than an empty file: %v", got.Problem())
	}
	if err := os.WriteFile(file, []byte("# mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeExample(file); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "# mine\n" {
		t.Errorf("the user's file is %q now, %v", text, err)
	}
}
