package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/session"
	"fairlead/app/table"
)

var update = flag.Bool("update", false, "write the golden files again")

// golden compares text with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func TestStatusAndListForPeople(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	status := control.Status{
		Program: control.Program{Kind: "tray", PID: 4711, Since: now.Add(-26 * time.Hour)},
		Contexts: []control.Context{
			{Name: "staging", Phase: session.On, Address: "127.0.0.1:1080", Since: now.Add(-125 * time.Minute),
				Traffic: &control.Traffic{Open: 3, Total: 120, Sent: 1 << 20, Received: 3 << 30}},
			{Name: "prod-eu", Phase: session.Unavailable, Address: "0.0.0.0:1081", Since: now.Add(-5 * time.Second), OffAt: now.Add(time.Hour),
				Reason: "The login has expired.", Trouble: session.LoginNeeded, Login: "aws sso login", Warning: "Other machines can reach it.", Traffic: &control.Traffic{}},
			{Name: "dev", Phase: session.Off},
			{Name: "legacy", Phase: session.Failed, Reason: "Another program listens on 127.0.0.1:1083."},
			{Name: "new", Phase: session.Starting},
			{Name: "broken", Phase: session.Off, Reason: "It has no user.", Trouble: session.Unusable},
		},
		Problems: []string{"/home/me/.kube/config: line 3: not valid YAML"},
	}
	for i, c := range status.Contexts {
		status.Contexts[i].Sign = c.State().Sign()
	}
	var text bytes.Buffer
	out := table.Output{Writer: &text}
	if err := printStatus(out, command.Options{}, status, now); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.txt", text.Bytes())

	lines := []contextLine{
		{Name: "staging", Cluster: "eu-1", Namespace: "default", File: "/k", Current: true, Port: 1080},
		{Name: "prod-eu", Cluster: "eu-1", Namespace: "shop", Server: "https://10.0.0.1:6443", File: "/k", Production: true},
		{Name: "dev", Cluster: "local", Namespace: "default", File: "/k"},
		{Name: "legacy", Cluster: "old", Namespace: "default", File: "/k", Problem: "its cluster has no server"},
		{Name: "broken", Cluster: "old", Namespace: "default", File: "/k", Problem: "It has no user."},
	}
	text.Reset()
	if err := printContexts(out, command.Options{}, lines); err != nil {
		t.Fatal(err)
	}
	golden(t, "list.txt", text.Bytes())
	addRunning(lines, status)
	text.Reset()
	if err := printContexts(out, command.Options{}, lines); err != nil {
		t.Fatal(err)
	}
	golden(t, "list-running.txt", text.Bytes())
	for name, o := range map[string]command.Options{
		"list-wide.txt": {Output: "wide"}, "list-names.txt": {Output: "name"}, "list.yaml": {Output: "yaml"}, "list.json": {Output: "json"},
		"list-rows.txt": {NoHeaders: true},
	} {
		text.Reset()
		if err := printContexts(out, o, lines); err != nil {
			t.Fatal(err)
		}
		golden(t, name, text.Bytes())
	}
	text.Reset()
	if err := printContexts(table.Output{Writer: &text, Width: 80, Colour: true}, command.Options{}, lines); err != nil {
		t.Fatal(err)
	}
	golden(t, "list-terminal.txt", text.Bytes())
	for name, o := range map[string]command.Options{
		"status-wide.txt": {Output: "wide"}, "status-names.txt": {Output: "name"}, "status.yaml": {Output: "yaml"}, "status.json": {Output: "json"},
		"status-rows.txt": {NoHeaders: true},
	} {
		text.Reset()
		if err := printStatus(out, o, status, now); err != nil {
			t.Fatal(err)
		}
		golden(t, name, text.Bytes())
	}
	text.Reset()
	if err := printStatus(table.Output{Writer: &text, Width: 40, Colour: true}, command.Options{}, status, now); err != nil {
		t.Fatal(err)
	}
	golden(t, "status-terminal.txt", text.Bytes())
	// A context of that name in another file is another context.
	lines[0].Phase, status.Contexts[0].File = "", "/other"
	if addRunning(lines[:1], status); lines[0].Phase != "" {
		t.Errorf("%+v", lines[0])
	}

	text.Reset()
	if err := printStatus(out, command.Options{}, control.Status{Program: control.Program{Kind: "serve", PID: 1, Since: now}}, now); err != nil {
		t.Fatal(err)
	}
	golden(t, "status-none.txt", text.Bytes())
}
