package tray

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"fairlead/app/menu"
)

// aboutToShow does what Plasma does before it opens the menu or a submenu.
func (i *item) aboutToShow(t *testing.T, number int32) (again bool) {
	t.Helper()
	if err := i.bus.Object(i.name, i.menu).Call(menuInterface+".AboutToShow", 0, number).Store(&again); err != nil {
		t.Fatal(err)
	}
	return again
}

// aboutToShowGroup does what the panels of GTK do when they open the menu or a submenu.
func (i *item) aboutToShowGroup(t *testing.T, number int32) (again []int32) {
	t.Helper()
	var unknown []int32
	if err := i.bus.Object(i.name, i.menu).Call(menuInterface+".AboutToShowGroup", 0, []int32{number}).Store(&again, &unknown); err != nil {
		t.Fatal(err)
	}
	return again
}

// A panelDesktop is a desktop whose panel opens and closes menus in its own way.
type panelDesktop struct {
	desktop     string
	open, click func(t *testing.T, i *item, number int32) // click closes the menu
}

var panelDesktops = map[string]panelDesktop{
	"Plasma": {
		"KDE",
		func(t *testing.T, i *item, _ int32) { i.aboutToShow(t, 0); i.tell(t, 0, "opened") },
		func(t *testing.T, i *item, number int32) { i.tell(t, 0, "closed"); i.tell(t, number, "clicked") },
	},
	"GNOME Shell": {
		"GNOME",
		func(t *testing.T, i *item, _ int32) { i.tell(t, 0, "opened"); i.aboutToShow(t, 0) },
		func(t *testing.T, i *item, number int32) { i.tell(t, number, "clicked"); i.tell(t, 0, "closed") },
	},
	"xfce": {
		"XFCE",
		func(t *testing.T, i *item, _ int32) { i.aboutToShowGroup(t, 0) },
		func(t *testing.T, i *item, number int32) { i.tell(t, number, "clicked") },
	},
}

// startFor runs the tray program under a desktop, and returns its icon as the panel knows it.
func startFor(t *testing.T, desktop string) (*item, *program) {
	t.Helper()
	address, _ := startBus(t)
	panel := startWatcher(t, address)
	p := startProgram(t, "DBUS_SESSION_BUS_ADDRESS="+address, "XDG_CURRENT_DESKTOP="+desktop)
	return panel.item(t), p
}

// changeWhileOpen runs the tray program under a desktop and turns a context on while its menu is open. It returns the icon as
// the panel knows it, and the lines of the menu as they were when it was opened.
func changeWhileOpen(t *testing.T, panel panelDesktop) (i *item, p *program, before []string) {
	t.Helper()
	i, p = startFor(t, panel.desktop)
	panel.open(t, i, 0)
	before, icon := i.lines(t), i.property(t, "IconPixmap")
	p.control(t, "on b")
	eventually(t, "the icon follows at once", func() bool { return !reflect.DeepEqual(i.property(t, "IconPixmap"), icon) })
	return i, p, before
}

func TestAnOpenMenuStaysAsItIsUntilItIsClosed(t *testing.T) {
	t.Parallel()
	for name, panel := range panelDesktops {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, p, before := changeWhileOpen(t, panel)
			if got := i.lines(t); !reflect.DeepEqual(got, before) {
				t.Errorf("the open menu became\n%q, and was\n%q", got, before)
			}
			panel.click(t, i, i.number(t, "gke__lab__1", "gke__lab_1"))
			eventually(t, "the closed menu follows", func() bool { return len(i.lines(t)) > 0 && !reflect.DeepEqual(i.lines(t), before) })
			p.waitFor(t, "turn on gke_lab_1\n")

			panel.open(t, i, 0)
			i.click(t, "Quit")
			if status := p.end(t); status != 0 {
				t.Errorf("exit status %d", status)
			}
		})
	}
}

func TestAMenuThatWasNeverSaidToBeClosedIsRightAtTheNextOpening(t *testing.T) {
	t.Parallel()
	for name, panel := range panelDesktops {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, _, before := changeWhileOpen(t, panel)
			panel.open(t, i, 0)
			if got := i.lines(t); reflect.DeepEqual(got, before) {
				t.Errorf("the menu that was opened again is as before: %q", got)
			}
		})
	}
}

func TestAPanelThatSaysNothingOfClosingIsGivenTime(t *testing.T) {
	n := &panelMenu{tree: newTestTree()}
	n.tree.show([]menu.Item{{ID: "a", Title: "a"}})
	n.latest.items = n.tree.items
	n.aboutToShowGroup([]int32{0})
	if n.shown(); n.recheck == nil {
		t.Fatal("the open menu is not looked at again")
	}
	if n.lookAgain(); !n.open {
		t.Error("the menu counts as closed at once")
	}
	n.heard = n.heard.Add(-longestSilence)
	if n.lookAgain(); n.open {
		t.Error("the menu counts as open after a long silence")
	}
}

func TestOnlyWhatCannotBeNoticedChangesInAnOpenMenu(t *testing.T) {
	sub := func(title string, items ...menu.Item) menu.Item {
		return menu.Item{ID: title, Title: title, Icon: "on", Items: items}
	}
	shown := []menu.Item{sub("a", menu.Item{ID: "a1", Title: "a1"}), sub("b", menu.Item{ID: "b1", Title: "b1", Icon: "off"}), {ID: "c", Title: "c"}}
	next := []menu.Item{
		{ID: "c", Title: "new c", Icon: "off"},
		{ID: "b", Title: "new b", Icon: "failed", Items: []menu.Item{{ID: "b1", Title: "new b1", Icon: "on"}, {ID: "b2"}}},
		{ID: "a", Title: "new a", Icon: "attention", Items: []menu.Item{{ID: "a1", Title: "new a1"}, {ID: "a2"}}},
	}
	got := held(shown, byID(next), func(id string) bool { return id == "b" })
	want := []menu.Item{
		{ID: "a", Title: "a", Icon: "attention", Items: []menu.Item{{ID: "a1", Title: "new a1"}, {ID: "a2"}}}, // its submenu is closed
		{ID: "b", Title: "b", Icon: "failed", Items: []menu.Item{{ID: "b1", Title: "b1", Icon: "on"}}},
		{ID: "c", Title: "c"}, // a picture would move its title
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	if shown[0].Icon != "on" || shown[1].Items[0].Icon != "off" {
		t.Errorf("what was shown became %+v", shown)
	}
}

func TestAClickIsOnWhatWasShown(t *testing.T) {
	var clicked []menu.Item
	n := &panelMenu{tree: newTestTree(), on: events{clicked: func(item menu.Item) { clicked = append(clicked, item) }, opened: func(menu.Item) {}}}
	n.tree.show([]menu.Item{{ID: "start", Title: "Start a"}, {ID: "off", Title: "off", Disabled: true}, {ID: "sub", Title: "more"}})
	numbers := map[string]int32{}
	for _, e := range n.tree.root.children {
		numbers[e.at.item] = e.number
	}
	if _, err := n.tree.layout(0, -1); err != nil {
		t.Fatal(err)
	}
	n.tree.show([]menu.Item{{ID: "stop", Title: "Stop a"}, {ID: "off", Title: "off", Disabled: true}})
	n.event(numbers["start"], "clicked") // the panel has not read the new menu yet
	n.event(numbers["off"], "clicked")
	if _, err := n.tree.layout(0, -1); err != nil {
		t.Fatal(err)
	}
	n.event(numbers["sub"], "clicked") // the panel cannot show it any more
	if len(clicked) != 1 || clicked[0].Title != "Start a" {
		t.Errorf("clicked are %+v", clicked)
	}
}

// activate calls a method of the icon as a panel does, and returns the name of the error.
func (i *item) activate(method string, arguments ...any) string {
	if err, ok := i.bus.Object(i.name, itemPath).Call(itemInterface+"."+method, 0, arguments...).Err.(dbus.Error); ok {
		return err.Name
	}
	return ""
}

func TestClicksOnTheIconAreLeftToThePanel(t *testing.T) {
	t.Parallel()
	i, _ := startFor(t, "KDE")
	for method, want := range map[string]string{
		"Activate": busName + ".Error.UnknownMethod", "SecondaryActivate": busName + ".Error.UnknownMethod", "ContextMenu": "",
	} {
		if got := i.activate(method, int32(1), int32(1)); got != want {
			t.Errorf("%s has the error %q, want %q", method, got, want)
		}
	}
}

func TestAMiddleClickDoesWhatItIsSetTo(t *testing.T) {
	t.Parallel()
	i, p := startFor(t, "KDE")
	if got := i.activate("XAyatanaSecondaryActivate", uint32(1)); got != "" {
		t.Errorf("GNOME's method has the error %q", got)
	}
	p.control(t, "middle on")
	p.waitFor(t, "middle on\n")
	if got := i.activate("SecondaryActivate", int32(1), int32(1)); got != "" {
		t.Errorf("the error is %q", got)
	}
	p.waitFor(t, "copy-url \n")
	if got := i.activate("XAyatanaSecondaryActivate", uint32(1)); got != "" {
		t.Errorf("GNOME's method has the error %q", got)
	}
	p.waitFor(t, "copy-url \ncopy-url \n")
	if got := i.activate("Activate", int32(1), int32(1)); got != busName+".Error.UnknownMethod" {
		t.Errorf("a click with the first button has the error %q", got)
	}
	p.control(t, "middle off")
	p.waitFor(t, "middle off\n")
	if got := i.activate("SecondaryActivate", int32(1), int32(1)); got != busName+".Error.UnknownMethod" {
		t.Errorf("the error is %q when it does nothing again", got)
	}
	i.click(t, "Quit")
	if p.end(t); strings.Count(p.printed(), "copy-url") != 2 {
		t.Errorf("it printed\n%s", p.printed())
	}
}

func TestTheStatusSaysWhenTheUserHasToDoSomething(t *testing.T) {
	t.Parallel()
	i, p := startFor(t, "KDE")
	if got := i.property(t, "Status").Value(); got != "Active" {
		t.Errorf("the status is %v", got)
	}
	changes := make(chan *dbus.Signal, 100)
	i.bus.Signal(changes)
	if err := i.bus.AddMatchSignal(dbus.WithMatchInterface(itemInterface), dbus.WithMatchMember("NewStatus")); err != nil {
		t.Fatal(err)
	}
	p.control(t, "trouble b")
	signal := next(t, changes)
	if signal.Body[0] != "NeedsAttention" || i.property(t, "Status").Value() != "NeedsAttention" {
		t.Errorf("the signal is %v, and the status %v", signal.Body, i.property(t, "Status"))
	}
	if pictures, ok := i.property(t, "AttentionIconPixmap").Value().([][]any); !ok || len(pictures) == 0 {
		t.Error("there is no picture")
	}
}

func TestGNOMEShellGetsNoStatusThatKeepsAnOldPicture(t *testing.T) {
	t.Parallel()
	i, p := startFor(t, "GNOME")
	icon := i.property(t, "IconPixmap")
	p.control(t, "trouble b")
	eventually(t, "the icon follows", func() bool { return !reflect.DeepEqual(i.property(t, "IconPixmap"), icon) })
	if got := i.property(t, "Status").Value(); got != "Active" {
		t.Errorf("the status is %v", got)
	}
}

// GNOME's extension ignores a picture that comes while it converts an earlier one.
func TestGNOMEShellIsToldOfAnIconAgain(t *testing.T) {
	t.Parallel()
	i, p := startFor(t, "GNOME")
	changes := make(chan *dbus.Signal, 100)
	i.bus.Signal(changes)
	if err := i.bus.AddMatchSignal(dbus.WithMatchInterface(itemInterface), dbus.WithMatchMember("NewIcon")); err != nil {
		t.Fatal(err)
	}
	p.control(t, "trouble b")
	for range 3 {
		next(t, changes)
	}
}

// next returns the next signal.
func next(t *testing.T, signals <-chan *dbus.Signal) *dbus.Signal {
	t.Helper()
	select {
	case signal := <-signals:
		return signal
	case <-time.After(30 * time.Second):
		t.Fatal("no signal within 30 s")
		return nil
	}
}

func TestAPanelThatReadsOneLevelAtATimeIsToldOfTheOthers(t *testing.T) {
	t.Parallel()
	i, p := startFor(t, "KDE")
	changes := make(chan *dbus.Signal, 100)
	i.bus.Signal(changes)
	if err := i.bus.AddMatchSignal(dbus.WithMatchInterface(menuInterface), dbus.WithMatchMember("LayoutUpdated")); err != nil {
		t.Fatal(err)
	}
	read := func(number int32) (lines []string, inside int) {
		var revision uint32
		var l layout
		if err := i.bus.Object(i.name, i.menu).Call(menuInterface+".GetLayout", 0, number, int32(1), []string{}).Store(&revision, &l); err != nil {
			t.Fatal(err)
		}
		l.walk(t, func(l layout) bool {
			lines = append(lines, fmt.Sprint(l.Properties["label"].Value()))
			if l.Properties["children-display"].Value() == "submenu" {
				inside++
			}
			return true
		})
		return lines, inside
	}
	_, unread := read(0)
	if unread == 0 {
		t.Fatal("the menu has no submenu")
	}
	var found []string
	for seen := map[int32]bool{}; unread > 0; unread-- {
		number := next(t, changes).Body[1].(int32)
		lines, inside := read(number)
		if number == 0 || seen[number] {
			t.Errorf("entry %d is signalled again", number)
		}
		seen[number], found = true, append(found, lines...)
		unread += inside
	}
	if !slices.Contains(found, "Open log folder") {
		t.Errorf("the submenus have %q", found)
	}
	p.control(t, "on b")
	number := next(t, changes).Body[1].(int32)
	if lines, _ := read(number); len(lines) == 0 {
		t.Errorf("nothing is in entry %d, which has changed", number)
	}
}

func TestAnOpenedSubmenuIsReported(t *testing.T) {
	t.Parallel()
	i, p := startFor(t, "KDE")
	number := int32(-1)
	i.layout(t).walk(t, func(l layout) bool {
		if l.Properties["children-display"].Value() == "submenu" && number < 0 {
			number = l.Number
		}
		return true
	})
	i.tell(t, 0, "opened")
	i.tell(t, number, "opened")
	p.waitFor(t, "opened ")
	if got := strings.Count(p.printed(), "opened "); got != 1 {
		t.Errorf("it printed\n%s", p.printed())
	}
}
