package actions

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/app/desktop"
	"fairlead/app/gateway"
	"fairlead/app/instance"
	"fairlead/app/menu"
	"fairlead/app/notify"
	"fairlead/app/settings"
)

// actionsWith returns Actions whose settings file contains text. Nothing runs.
func actionsWith(t *testing.T, text string) *Actions {
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
	p := &instance.Instance{Store: store, Files: instance.Files{Settings: settings.Load(store, file)}, Dir: dir, Gateways: gateway.New(gateway.Config{})}
	if err := p.Settings.Problem(); err != nil {
		t.Fatal(err)
	}
	return &Actions{Instance: p}
}

func TestThePasswordIsCopiedButNotShown(t *testing.T) {
	const secret = "a/long:hunter2"
	c := actionsWith(t, "contexts:\n  demo:\n    port: 1234\n    password: {user: me, password: \""+secret+"\"}\n")
	for _, test := range []struct {
		click menu.Click
		want  string
	}{
		{menu.Click{Action: menu.CopySOCKS5, Context: "demo"}, "socks5h://me:a%2Flong%3Ahunter2@127.0.0.1:1234"},
		{menu.Click{Action: menu.CopyHTTP, Context: "demo"}, "http://me:a%2Flong%3Ahunter2@127.0.0.1:1234"},
		{menu.Click{Action: menu.CopySnippet, Context: "demo", Argument: "curl"}, "me:a%2Flong%3Ahunter2@127.0.0.1:1234"},
	} {
		text, said, marked, err := c.copied(test.click)
		if err != nil || !marked || !strings.Contains(text, test.want) {
			t.Errorf("%s copies %q, %v; want %q in it", test.click.Action, text, err, test.want)
		}
		if said == "" || strings.Contains(said, "hunter2") {
			t.Errorf("%s says %q", test.click.Action, said)
		}
	}
}

// Names from a cluster or a kubeconfig may be pasted into a terminal.
func TestNamesAreCopiedCleaned(t *testing.T) {
	c := actionsWith(t, "")
	for _, test := range []struct {
		action     menu.Action
		name, want string
	}{
		{menu.CopyService, "http://hello.default.svc:8080/", "http://hello.default.svc:8080/"},
		{menu.CopyService, "[fd00::1]:5432", "[fd00::1]:5432"},
		{menu.CopyService, "a\nrm -rf ~\n.b.svc:80", "a\ufffdrm\ufffd-rf\ufffd\ufffd\ufffd.b.svc:80"},
		{menu.CopyService, "http://$(id).`id`;.svc/", "http://\ufffd\ufffdid\ufffd.\ufffdid\ufffd\ufffd.svc/"},
		{menu.CopyService, "\x1b[201~\u202eh", "\ufffd[201\ufffd\ufffdh"},
		{menu.CopyLogin, "aws sso login --profile 'my dev'", "aws sso login --profile 'my dev'"},
		{menu.CopyLogin, "aws sso login\nrm -rf ~\r\x1b[201~", "aws sso login\ufffdrm -rf ~\ufffd\ufffd[201~"},
	} {
		text, said, marked, err := c.copied(menu.Click{Action: test.action, Context: "demo", Argument: test.name})
		if text != test.want || said != text || marked || err != nil {
			t.Errorf("%s of %q copies %q and says %q, marked %t, %v", test.action, test.name, text, said, marked, err)
		}
	}
}

func TestTheExampleIsWrittenOnceAndChangesNothing(t *testing.T) {
	c := actionsWith(t, "")
	file := filepath.Join(t.TempDir(), "not there yet", "config.yaml")
	if _, err := settings.WriteExample(file); err != nil {
		t.Fatal(err)
	}
	if got := settings.Load(c.Store, file); got.Problem() != nil || got.Effective("any").Fingerprint() != c.Settings.Effective("any").Fingerprint() {
		t.Errorf("the example says other things than an empty file: %v", got.Problem())
	}
	if err := os.WriteFile(file, []byte("# mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := settings.WriteExample(file); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "# mine\n" {
		t.Errorf("the user's file is %q now, %v", text, err)
	}
}

// A recorder replaces the desktop's notifications.
type recorder chan notify.Notification

func (s recorder) Send(_ context.Context, n notify.Notification) error {
	s <- n
	return nil
}

func (recorder) Close() error { return nil }

// A program that is opened is watched for seconds, and the clicks that follow must not wait for it.
func TestWhatIsOpenedKeepsNoClickWaiting(t *testing.T) {
	browser := filepath.Join(t.TempDir(), "browser")
	if err := os.WriteFile(browser, []byte("#!/bin/sh\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := actionsWith(t, "browser: "+browser+"\ncontexts: {demo: {port: 1234}}\n")
	told := make(recorder, 1)
	c.notifier, c.catalogue, c.Windows = notify.New(notify.Config{Sender: told}), &catalogue{}, &desktop.Browsers{}
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = c.notifier.Run(ctx) })
	defer run.Wait()
	defer cancel()
	defer c.Wait()
	if err := c.Act(ctx, menu.Click{Action: menu.OpenBrowser, Context: "demo", Argument: "preferred"}); err != nil {
		t.Fatalf("the click waited for the browser, which failed: %v", err)
	}
	select {
	case n := <-told:
		if n.Title != "Not opened" || !strings.Contains(n.Body, "did not start") {
			t.Errorf("%+v", n)
		}
	case <-time.After(30 * time.Second):
		t.Error("nothing is said of a browser that does not start")
	}
}

func TestNothingIsCopiedThatAProxyOfTLSAloneRefuses(t *testing.T) {
	c := actionsWith(t, "contexts: {demo: {port: 1234, listen: 0.0.0.0, tls: {cert: a, key: b, client-ca: c}}}\n")
	for _, click := range []menu.Click{
		{Action: menu.CopySOCKS5}, {Action: menu.CopyHTTP}, {Action: menu.CopyPAC}, {Action: menu.CopySnippet, Argument: "bash"},
	} {
		click.Context = "demo"
		if text, _, _, err := c.copied(click); err == nil || !strings.Contains(err.Error(), "TLS and a certificate") {
			t.Errorf("%s copies %q, %v", click.Action, text, err)
		}
	}
	for _, click := range []menu.Click{{Action: menu.CopyTLS}, {Action: menu.CopySnippet, Argument: "curl"}} {
		click.Context = "demo"
		if text, _, _, err := c.copied(click); err != nil || !strings.Contains(text, "https://127.0.0.1:1234") {
			t.Errorf("%s copies %q, %v", click.Action, text, err)
		}
	}
}
