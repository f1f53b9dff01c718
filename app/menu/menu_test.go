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

var update = flag.Bool("update", false, "write the golden files again")

func TestMenusAreAsTheGoldenFilesSay(t *testing.T) {
	for name, s := range snapshots() {
		t.Run(name, func(t *testing.T) {
			x := extras()
			if strings.HasPrefix(name, "low-screen") {
				x.Lines = 12
			}
			got := fmt.Sprintf("icon:    %s\ntooltip: %s\n\n%s", Icon(s), Tooltip(s, x), text(Build(s, x), ""))
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
				line := 0
				gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
				for line < min(len(gotLines), len(wantLines))-1 && gotLines[line] == wantLines[line] {
					line++
				}
				t.Errorf("%s:%d: the menu differs (go test -update writes it again):\n%s\nand should be\n%s", path, line+1, gotLines[line], wantLines[line])
			}
		})
	}
}

// text draws a menu as readable lines.
func text(items []Item, margin string) string {
	var b strings.Builder
	for _, item := range items {
		if item.Separator {
			b.WriteString(margin + "----\n")
			continue
		}
		sign := ""
		if item.Icon != "" {
			sign = "{" + item.Icon + "} "
		}
		fmt.Fprintf(&b, "%s%s%s%s%s\n%s", margin, markOf(item), sign, item.Title, clickText(item), text(item.Items, margin+"          "))
	}
	return b.String()
}

func markOf(item Item) string {
	switch {
	case item.Radio && item.Checked:
		return "(o) "
	case item.Radio:
		return "( ) "
	case item.Checkable && item.Checked:
		return "[x] "
	case item.Checkable:
		return "[ ] "
	case item.Disabled:
		return "  . "
	case len(item.Items) > 0:
		return "  > "
	}
	return "    "
}

// clickText returns a click in the form of the golden files.
func clickText(item Item) string {
	if item.Click == (Click{}) {
		return ""
	}
	words := string(item.Click.Action)
	for _, word := range []string{item.Click.Context, item.Click.Argument} {
		if word != "" {
			words += " " + strings.ToValidUTF8(fmt.Sprintf("%q", word), "?")
		}
	}
	return "  <" + words + ">"
}

func TestEveryTextIsOneValidLineOfBoundedLength(t *testing.T) {
	for name, s := range snapshots() {
		walk(Build(s, extras()), func(item Item) {
			for _, text := range []string{item.Title, item.Tooltip} {
				if !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r\t\x00\x1b\u202e") {
					t.Errorf("%s: item %q says %q", name, item.ID, text)
				}
			}
			if utf8.RuneCountInString(item.Title) > 110 {
				t.Errorf("%s: title of %d runes: %q", name, utf8.RuneCountInString(item.Title), item.Title)
			}
		})
		if tip := Tooltip(s, extras()); len(utf16.Encode([]rune(tip))) > 127 || !utf8.ValidString(tip) {
			t.Errorf("%s: tooltip %q", name, tip)
		}
	}
}

// A name is shown unchanged as long as the rest of its line stays intact.
func TestNamesAreShownAsTheyAre(t *testing.T) {
	for name, want := range map[string]string{
		"\U0001f469\u200d\U0001f467 family": "\U0001f469\u200d\U0001f467 family",
		"می\u200cخواهم":                     "می\u200cخواهم",
		"\ue0b0 \U0001fae9":                 "\ue0b0 \U0001fae9",
		"team\u00a0a":                       "team a",
		"a\u202eb\x1b":                      "a\ufffdb\ufffd",
	} {
		rows := 0
		walk(Build(session.Snapshot{Contexts: named(name, "another")}, extras()), func(item Item) {
			if item.ID != "row/"+name {
				return
			}
			rows++
			if item.Title != want || item.Click.Context != name {
				t.Errorf("%q is shown as %q and leads to %q", name, item.Title, item.Click.Context)
			}
		})
		if rows != 1 {
			t.Errorf("%q has %d rows", name, rows)
		}
	}
}

func TestOnlyWhatIsEnabledCanBeClicked(t *testing.T) {
	clickable := func(items []Item) map[string]bool {
		ids := map[string]bool{}
		walk(items, func(item Item) { ids[item.ID] = !item.Disabled && item.Click != Click{} })
		return ids
	}
	ids := clickable(Build(snapshots()["all-phases"], extras()))
	for id, want := range map[string]bool{
		"row/dev": true, "copy-socks5/0//staging": true, "stop/0//prod_eu": true, "again/legacy": true, "stop/0//legacy": true, "quit": true, "stop-all": true,
		"copy-socks5/0//dev": false, "row/staging": false, "row/broken": false, "status": false, "caption/start": false, "row/unknown": false,
	} {
		if ids[id] != want {
			t.Errorf("%q can be clicked: %t", id, ids[id])
		}
	}
	if clickable(Build(snapshots()["all-off"], extras()))["stop-all"] {
		t.Error("there is nothing to stop, yet Stop all can be clicked")
	}
}

func TestASubmenuNamesTheContextThatItShows(t *testing.T) {
	for id, want := range map[string]string{"services/a/b": "a/b", "namespaces/": "", "services/services/x": "services/x"} {
		if got, ok := Opened(id); !ok || got != want {
			t.Errorf("Opened(%q) = %q, %t", id, got, ok)
		}
	}
	for _, id := range []string{"row/a", "services-of/x/a", "", "options/services/a"} {
		if got, ok := Opened(id); ok {
			t.Errorf("Opened(%q) = %q", id, got)
		}
	}
	ids := map[string]bool{}
	walk(Build(snapshots()["all-phases"], extras()), func(item Item) { ids[item.ID] = len(item.Items) > 0 })
	if !ids["services/staging"] || !ids["namespaces/staging"] {
		t.Error("the submenus have other IDs")
	}
}

func TestCrowdedClustersAreCutShort(t *testing.T) {
	crowded := session.State{Name: "crowded", Phase: session.On, Usable: true, Endpoints: session.ProxyAt("127.0.0.1:1080")}
	items := Build(session.Snapshot{Version: 1, Contexts: []session.State{crowded}}, extras())
	count, more := 0, []string{}
	walk(items, func(item Item) {
		if count++; strings.HasPrefix(item.Title, "…and") {
			more = append(more, item.Title)
		}
	})
	if count > 1200 || strings.Join(more, ", ") != "…and 7 more, …and 4 more" {
		t.Errorf("%d items, left out: %q", count, more)
	}
}

func TestMenuSurvivesJSON(t *testing.T) {
	items := Build(snapshots()["all-phases"], extras())
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
