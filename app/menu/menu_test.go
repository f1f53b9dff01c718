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

func TestMenusAreAsTheGoldenFilesSay(t *testing.T) {
	for name, s := range snapshots() {
		t.Run(name, func(t *testing.T) {
			x := extras()
			if strings.HasPrefix(name, "low-screen") {
				x.Lines = 12
			}
			x.First = Current(s)
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

// text draws a menu as readable lines, without hidden items.
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
		fmt.Fprintf(&b, "%s%s%s%s\n%s", margin, mark, item.Title, clickText(item), text(item.Items, margin+"          "))
	}
	return b.String()
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
		walk(Build(session.Snapshot{Contexts: []session.State{{Name: name, Usable: true}}}, extras()), func(item Item) {
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

func TestIDsAreUniqueAndClicksFindTheirContext(t *testing.T) {
	for name, s := range snapshots() {
		seen := map[string]bool{}
		walk(Build(s, extras()), func(item Item) {
			if seen[item.ID] || item.ID == "" {
				t.Errorf("%s: ID %q twice, or empty", name, item.ID)
			}
			seen[item.ID] = true
			if clickable := !item.Separator && len(item.Items) == 0 && !item.Disabled; clickable != (item.Click != Click{}) && !item.Hidden && !item.Disabled {
				t.Errorf("%s: a click on %q means %+v", name, item.ID, item.Click)
			}
			if item.Click.Context != "" {
				if _, known := s.Context(item.Click.Context); !known {
					t.Errorf("%s: a click on %q is about %q", name, item.ID, item.Click.Context)
				}
			}
		})
	}
}

func TestOnlyWhatIsShownAndEnabledCanBeClicked(t *testing.T) {
	items := Build(snapshots()["all-phases"], extras())
	for id, want := range map[string]bool{
		"row/staging": true, "copy-socks5/0//staging": true, "stop/0//prod_eu": true, "row/legacy": true, "row/edge": true, "quit": true, "stop-all": true,
		"copy-socks5/0//dev": false, "stop/0//legacy": false, "details/staging": false, "row/broken": false, "status": false, "row/unknown": false,
	} {
		if _, ok := Find(items, id); ok != want {
			t.Errorf("Find(%q) = %t", id, ok)
		}
	}
	if _, ok := Find(Build(snapshots()["all-off"], extras()), "stop-all"); ok {
		t.Error("there is nothing to stop, yet All off can be clicked")
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
	if count > 1200 || strings.Join(more, ", ") != "…and 4 more, …and 7 more" {
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
