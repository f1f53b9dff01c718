package menu

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"fairlead/app/session"
)

var update = flag.Bool("update", false, "write the golden files anew")

// snapshots are the states whose menus are in testdata, by file name.
func snapshots() map[string]session.Snapshot {
	arn := "arn:aws:eks:eu-central-1:123456789012:cluster/payments-production-blue-2026"
	return map[string]session.Snapshot{
		"all-phases": {Version: 7, Contexts: []session.State{
			{Name: "staging", Phase: session.On, Wanted: true, Usable: true, Address: "127.0.0.1:1080", Cluster: "east", Namespace: "web"},
			{Name: "prod_eu", Phase: session.Degraded, Wanted: true, Usable: true, Address: "127.0.0.1:1081", Reason: "The API server 10.1.2.3:6443 does not answer."},
			{Name: "dev", Phase: session.Off, Usable: true, Address: "127.0.0.1:1082"},
			{Name: "lab", Phase: session.Starting, Wanted: true, Usable: true},
			{Name: "edge", Phase: session.Stopping, Usable: true, Address: "127.0.0.1:1083"},
			{Name: "edge-2", Phase: session.Stopping, Wanted: true, Usable: true, Address: "127.0.0.1:1084"},
			{Name: "legacy", Phase: session.Failed, Wanted: true, Usable: true, Address: "127.0.0.1:1085", Reason: "Another program listens on 127.0.0.1:1085."},
			{Name: "broken", Phase: session.Off, Reason: "Its cluster \"x\" is not in the kubeconfig."},
			{Name: "v6", Phase: session.On, Wanted: true, Usable: true, Address: "[::1]:1086"},
		}},
		"all-off":        {Version: 1, Contexts: []session.State{{Name: "a", Phase: session.Off, Usable: true}, {Name: "b", Phase: session.Off, Usable: true}}},
		"not-yet-known":  {},
		"no-contexts":    {Version: 1, Sources: []string{"/home/someone/.kube/config"}},
		"nothing-usable": {Version: 1, Sources: []string{"/a", "/b"}, Problems: []string{"/a: line 3: did not find expected key", "/b: permission denied"}},
		"problems": {Version: 1, Contexts: []session.State{{Name: "a", Phase: session.Off, Usable: true}}, Problems: []string{
			"/one: no", "/two: no", "/three: no", "/four: no", "/" + strings.Repeat("deep/", 40) + "config: line 12: mapping values are not allowed here", "/six: no", "/seven: no",
		}},
		"hostile-names": {Version: 1, Contexts: []session.State{
			{Name: arn, Phase: session.On, Wanted: true, Usable: true, Address: "127.0.0.1:1080"},
			{Name: "gke_my-proj_europe-west1_prod & more", Phase: session.Off, Usable: true},
			{Name: "🚢 👩‍🚀 ship", Phase: session.Off, Usable: true},
			{Name: "two\nlines\ttab\x00nul\u202eevil", Phase: session.Failed, Wanted: true, Usable: true, Reason: "bad\x1b[31m\xff" + strings.Repeat(" and so on", 20)},
			{Name: "", Phase: session.Off, Usable: true},
			{Name: strings.Repeat("é", 120), Phase: session.Off, Usable: true},
		}},
	}
}

func TestMenusAreAsTheGoldenFilesSay(t *testing.T) {
	for name, s := range snapshots() {
		t.Run(name, func(t *testing.T) {
			got := fmt.Sprintf("icon:    %s\ntooltip: %s\n\n%s", Icon(s), Tooltip(s), text(Build(s), ""))
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the menu differs from %s (go test -update writes it anew):\n%s", path, got)
			}
		})
	}
}

// text draws a menu as one can read it, without what is hidden.
func text(items []Item, margin string) string {
	var b strings.Builder
	for _, item := range items {
		if item.Hidden {
			continue
		}
		mark := "    "
		switch {
		case item.Separator:
			b.WriteString(margin + "----\n")
			continue
		case item.Checkable && item.Checked:
			mark = "[x] "
		case item.Checkable:
			mark = "[ ] "
		case item.Disabled:
			mark = "  . "
		}
		if item.Checkable && item.Disabled {
			mark = "[.] "
		}
		fmt.Fprintf(&b, "%s%s%s  <%s>\n%s", margin, mark, item.Title, strings.ToValidUTF8(fmt.Sprintf("%q", item.ID), "?"), text(item.Items, margin+"          "))
	}
	return b.String()
}

func TestEveryTextIsOneValidLineOfBoundedLength(t *testing.T) {
	for name, s := range snapshots() {
		walk(Build(s), func(item Item) {
			for _, text := range []string{item.Title, item.Tooltip} {
				if !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r\t\x00\x1b\u202e") {
					t.Errorf("%s: item %q says %q", name, item.ID, text)
				}
			}
			if utf8.RuneCountInString(item.Title) > 110 {
				t.Errorf("%s: title of %d runes: %q", name, utf8.RuneCountInString(item.Title), item.Title)
			}
		})
		if tip := Tooltip(s); len(utf16.Encode([]rune(tip))) > 127 || !utf8.ValidString(tip) {
			t.Errorf("%s: tooltip %q", name, tip)
		}
	}
}

func TestIDsAreUniqueAndClicksFindTheirContext(t *testing.T) {
	for name, s := range snapshots() {
		seen := map[string]bool{}
		walk(Build(s), func(item Item) {
			if seen[item.ID] || item.ID == "" {
				t.Errorf("%s: ID %q twice, or empty", name, item.ID)
			}
			seen[item.ID] = true
			action, context, ok := Parse(item.ID)
			if clickable := !item.Separator && len(item.Items) == 0 && !item.Disabled; clickable && !ok {
				t.Errorf("%s: a click on %q means nothing", name, item.ID)
			}
			if ok && action != StopAll && action != Quit {
				if _, known := Context(s, context); !known {
					t.Errorf("%s: a click on %q is about %q", name, item.ID, context)
				}
			}
		})
	}
}

func TestParseKeepsSlashesAndRefusesWhatOnlySaysSomething(t *testing.T) {
	if action, context, ok := Parse("copy-http/arn:aws:eks:cluster/prod"); action != CopyHTTP || context != "arn:aws:eks:cluster/prod" || !ok {
		t.Errorf("got %q, %q, %t", action, context, ok)
	}
	for _, id := range []string{"", "status", "reason/a", "separator/above contexts", "toggle", "quit/a", "stop-all/", "problem/0"} {
		if action, _, ok := Parse(id); ok {
			t.Errorf("Parse(%q) is the action %q", id, action)
		}
	}
}

func TestOnlyWhatIsShownAndEnabledCanBeClicked(t *testing.T) {
	items := Build(snapshots()["all-phases"])
	for id, want := range map[string]bool{
		"toggle/staging": true, "copy-socks5/staging": true, "stop/prod_eu": true, "toggle/legacy": true, "toggle/edge": true, "quit": true, "stop-all": true,
		"copy-socks5/dev": false, "stop/legacy": false, "details/staging": false, "toggle/broken": false, "status": false, "toggle/unknown": false,
	} {
		if _, ok := Find(items, id); ok != want {
			t.Errorf("Find(%q) = %t", id, ok)
		}
	}
	if _, ok := Find(Build(snapshots()["all-off"]), "stop-all"); ok {
		t.Error("there is nothing to stop, yet Stop all can be clicked")
	}
}

func TestNoPhaseChangesTheShapeOfTheMenu(t *testing.T) {
	shape := func(s session.State) string {
		var b strings.Builder
		walk(Build(session.Snapshot{Version: 1, Contexts: []session.State{s}}), func(item Item) {
			fmt.Fprintln(&b, item.ID, item.Checkable, item.Separator, len(item.Items))
		})
		return b.String()
	}
	want := shape(session.State{Name: "a", Phase: session.Off, Usable: true})
	for _, phase := range []session.Phase{session.Starting, session.On, session.Degraded, session.Stopping, session.Failed} {
		if got := shape(session.State{Name: "a", Phase: phase, Wanted: true, Usable: true, Reason: "why", Address: "127.0.0.1:1080"}); got != want {
			t.Errorf("%s: %s\nwant %s", phase, got, want)
		}
	}
}

func TestIconTellsWhatGoesOnThenWhatNeedsAttention(t *testing.T) {
	for want, phases := range map[string][]session.Phase{
		IconOff:      {session.Off, session.Off},
		IconOn:       {session.Off, session.On},
		IconDegraded: {session.On, session.Degraded},
		IconFailed:   {session.Degraded, session.Failed, session.On},
		IconWorking:  {session.Failed, session.Degraded, session.On, session.Stopping},
	} {
		var s session.Snapshot
		for _, phase := range phases {
			s.Contexts = append(s.Contexts, session.State{Phase: phase, Usable: true})
		}
		if got := Icon(s); got != want {
			t.Errorf("Icon(%v) = %s, want %s", phases, got, want)
		}
	}
}

func TestMenuSurvivesJSON(t *testing.T) {
	items := Build(snapshots()["all-phases"])
	text, err := json.Marshal(items)
	if err != nil {
		t.Fatal(err)
	}
	var again []Item
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(items, again) {
		t.Errorf("%v: %s", err, text)
	}
}

func walk(items []Item, visit func(Item)) {
	for _, item := range items {
		visit(item)
		walk(item.Items, visit)
	}
}
