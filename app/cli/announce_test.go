package cli

import (
	"strings"
	"testing"
	"time"

	"fairlead/app/session"
)

// The rows are what serve prints from one snapshot to the next, and when it ends.
func TestServePrintsWhatHappensToItsContexts(t *testing.T) {
	var out, stderr strings.Builder
	missing := false // the kubeconfig
	begun := time.Now()
	a := &announcer{
		names: []string{"b", "a"}, contexts: map[string]*announcement{"a": {}, "b": {}}, out: &out, err: &stderr,
		failed: func(s session.State) string { return why(s) + " Another Fairlead has it." },
		gone:   func(string) bool { return !missing },
	}
	on := func(name, port string) session.State {
		return session.State{Name: name, Phase: session.On, Usable: true, Wanted: true, Endpoints: session.ProxyAt("127.0.0.1:" + port), File: "f"}
	}
	in := func(s session.State, phase session.Phase, reason string) session.State {
		s.Phase, s.Reason = phase, reason
		return s
	}
	b, first := on("b", "1081"), on("a", "1080")
	untried := first
	untried.Unknown = true
	unusable := in(b, session.Off, "It has no server.")
	unusable.Usable = false
	for _, step := range []struct {
		what     string
		after    time.Duration // since the beginning
		contexts []session.State
		prints   string // stdout, then stderr
		over     string
	}{
		{"the second listens first", 0, []session.State{in(b, session.Starting, ""), first}, "", ""},
		{"both listen", 0, []session.State{b, first}, "b  socks5h://127.0.0.1:1081 a  socks5h://127.0.0.1:1080", ""},
		{"one is not reached", 0, []session.State{b, in(first, session.Unavailable, "No way.")}, "a  No way.", ""},
		{"it is", 0, []session.State{b, first}, "a  is reachable again", ""},
		{"it is not again", 0, []session.State{b, in(first, session.Unavailable, "No way.")}, "a  No way.", ""},
		{"its entry changes", 0, []session.State{b, untried}, "a  has applied the change", ""},
		{"nobody has tried it", 0, []session.State{b, untried}, "", ""},
		{"it is as ill as before", 0, []session.State{b, in(first, session.Unavailable, "No way.")}, "a  No way.", ""},
		{"its entry changes again", 0, []session.State{b, untried}, "a  has applied the change", ""},
		{"a try works", 0, []session.State{b, first}, "a  is reachable again", ""},
		{"a change while it is well", 0, []session.State{b, untried}, "", ""},
		{"which works", 0, []session.State{b, first}, "", ""},
		{"it gets a taken port", 0, []session.State{b, in(first, session.Stopping, "")}, "", ""},
		{"which fails", 0, []session.State{b, in(first, session.Failed, "The port is taken.")}, "a  is off: The port is taken. Another Fairlead has it.", ""},
		{"and gets another", 0, []session.State{b, on("a", "1082")}, "a  socks5h://127.0.0.1:1082", ""},
		{"one cannot be used", 0, []session.State{unusable, on("a", "1082")}, "b  is off: It has no server.", ""},
		{"it can", 0, []session.State{b, on("a", "1082")}, "b  socks5h://127.0.0.1:1081", ""},
		{"one is deleted", time.Hour, []session.State{b}, "a  is off: it is no longer in the kubeconfig", ""},
		{"the other fails", 2 * time.Hour, []session.State{in(b, session.Failed, "Over.")}, "",
			"context b: Over. Another Fairlead has it.\ncontext a: it is no longer in the kubeconfig"},
		{"the other is switched off", 2 * time.Hour, []session.State{in(b, session.Off, "")}, "", ""},
		{"it fails while a third is on", 2 * time.Hour, []session.State{in(b, session.Failed, "Over."), on("c", "1090")}, "b  is off: Over. Another Fairlead has it.", ""},
		{"both are well", 2 * time.Hour, []session.State{b, first}, "b  socks5h://127.0.0.1:1081 a  socks5h://127.0.0.1:1080", ""},
		{"both are deleted", 3 * time.Hour, nil, "b  is off: it is no longer in the kubeconfig a  is off: it is no longer in the kubeconfig", ""},
		{"not long ago", 3*time.Hour + goneGrace - 1, nil, "", ""},
		{"and stay so", 3*time.Hour + goneGrace, nil, "", "context b: it is no longer in the kubeconfig\ncontext a: it is no longer in the kubeconfig"},
	} {
		out.Reset()
		stderr.Reset()
		wait, err := a.update(session.Snapshot{Contexts: step.contexts}, begun.Add(step.after))
		got := strings.Join(strings.FieldsFunc(out.String()+stderr.String(), func(r rune) bool { return r == '\n' }), " ")
		if got != step.prints {
			t.Errorf("%s: printed %q, want %q", step.what, got, step.prints)
		}
		over := ""
		if err != nil {
			over = err.Error()
		}
		if over != step.over {
			t.Errorf("%s: over %q, want %q", step.what, over, step.over)
		}
		if err == nil && wait <= 0 {
			t.Errorf("%s: looks again at once", step.what)
		}
	}
	missing = true
	for _, after := range []time.Duration{4 * time.Hour, 5 * time.Hour} {
		if _, err := a.update(session.Snapshot{}, begun.Add(after)); err != nil {
			t.Errorf("a kubeconfig that is away ends the serve: %v", err)
		}
	}
	if got := stderr.String(); strings.Count(got, "its kubeconfig f is not there") != 2 {
		t.Errorf("with the kubeconfig away it says %q", got)
	}
}
