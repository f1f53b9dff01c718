package menu

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"fairlead/app/session"
)

func TestTheTooltipSaysFirstWhatNeedsTheUser(t *testing.T) {
	on := func(name string, port int) session.State {
		return session.State{Name: name, Usable: true, Phase: session.On, Endpoints: session.ProxyAt(fmt.Sprint("127.0.0.1:", port))}
	}
	login := session.State{Name: "shop", Usable: true, Production: true, Phase: session.Unavailable, Title: "Login needed", Trouble: session.LoginNeeded}
	away := session.State{Name: "lab", Usable: true, Phase: session.Unavailable, Title: "API server unreachable", Trouble: session.Unreachable}
	many := []session.State{on("a", 1080)}
	for i := range 12 {
		c := away
		c.Name = fmt.Sprint("cluster-number-", i)
		if i%3 == 0 {
			c.Title, c.Trouble = "Login needed", session.LoginNeeded
		}
		many = append(many, c)
	}
	busy := session.State{Name: "new", Usable: true, Phase: session.Starting}
	for _, c := range []struct {
		contexts []session.State
		want     string
	}{
		{[]session.State{on("staging", 1080), {Name: "dev", Usable: true, Phase: session.Off}}, "Fairlead: staging :1080, 3 connections"},
		{[]session.State{on("dev", 1081), busy, away, login, on("staging", 1080)},
			"Fairlead: PROD shop: login needed; lab: API server unreachable; new: starting; dev :1081; staging :1080, 3 connections"},
		{many, "Fairlead: cluster-number-0: login needed; cluster-number-3: login needed; 2 more need you; 8 more failed; 1 more on"},
		{[]session.State{on(strings.Repeat("é", 47), 1080), on(strings.Repeat("ê", 47), 1081), on(strings.Repeat("e", 47), 1082)},
			"Fairlead: " + strings.Repeat("é", 47) + " :1080; 2 more on"},
		{[]session.State{on(strings.Repeat("🚢", 48), 1080), on(strings.Repeat("🚀", 48), 1081)}, "Fairlead: 2 on"},
	} {
		got := Tooltip(session.Snapshot{Version: 1, Contexts: c.contexts}, extras())
		if got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
		if n := len(utf16.Encode([]rune(got))); n > maxTooltip {
			t.Errorf("%q: %d UTF-16 units", got, n)
		}
	}
}
