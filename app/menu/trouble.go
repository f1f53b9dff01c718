package menu

import (
	"fmt"
	"strings"

	"fairlead/app/session"
)

// needs returns what a context needs of the user: the reason in full, and what can be done about it.
func needs(c session.State, x view) []Item {
	var items []Item
	if c.Reason != "" {
		items = append(items, paragraph("reason/"+c.Name, c.Reason)...)
		items = append(items, paragraph("hint/"+c.Name, hint(c, x))...)
	}
	if c.Warning != "" && c.Phase.Listening() {
		items = append(items, paragraph("warning/"+c.Name, badge+oneLine(c.Warning))...)
	}
	if c.Reason == "" {
		return items
	}
	items = append(items, logIn(c, x)...)
	if again, ok := tryAgain(c); ok {
		items = append(items, again)
	}
	if x.Terminal && stoppable(c) {
		items = append(items, button("Diagnose…", Click{Action: Diagnose, Context: c.Name}))
	}
	items = append(items, button("Copy this message", Click{CopyMessage, c.Name, message(c)}))
	if c.File != "" && (c.Trouble == session.Unusable || c.Trouble == session.LoginNeeded || !c.Usable) {
		items = append(items, openKubeconfig(c.Name, c.File))
	}
	if x.Settings && (c.Trouble == session.PortTaken || c.Trouble == session.CannotListen) {
		items = append(items, openSettings("settings/"+c.Name))
	}
	return items
}

// logIn offers the command that logs in, unless it has several lines, which a shell would run at once when they are pasted.
func logIn(c session.State, x view) []Item {
	if c.Trouble != session.LoginNeeded || c.Login == "" || c.Login != clean(c.Login) {
		return nil
	}
	var items []Item
	if runsLogin(c, x) {
		items = append(items, button(logInTitle, Click{RunLogin, c.Name, c.Login}))
	}
	title := "Copy login command"
	if !strings.Contains(c.Hint, quoted(c.Login)) {
		title = "Copy " + quoted(shortEnd(c.Login, maxCommand))
	}
	return append(items, button(title, Click{CopyLogin, c.Name, c.Login}))
}

// logInTitle is the title of the row that runs the command that logs in.
const logInTitle = "Log in…"

// runsLogin reports whether a terminal can run the command that logs in.
func runsLogin(c session.State, x view) bool {
	_, plain := PlainWords(c.Login)
	return plain && x.Terminal
}

// hint returns what to do about a context's trouble. If that is a command that a row below runs, the hint says so.
func hint(c session.State, x view) string {
	command := quoted(c.Login) + " in a terminal"
	if c.Trouble != session.LoginNeeded || !runsLogin(c, x) {
		return c.Hint
	}
	return strings.Replace(c.Hint, command, command+", as "+quoted(logInTitle)+" does", 1)
}

func quoted(text string) string { return "“" + text + "”" }

// tryAgain returns the item that restarts a context that failed, or reconnects one that is on. A production context
// that failed has been confirmed before.
func tryAgain(c session.State) (Item, bool) {
	click := Click{Action: LogIn, Context: c.Name}
	switch {
	case c.Phase == session.Failed:
		click.Action = Start
	case c.Phase != session.Unavailable:
		return Item{}, false
	}
	item := button("Try again", click)
	item.ID = "again/" + c.Name
	return item, true
}

// message returns a context's trouble as text to paste into a message.
func message(c session.State) string {
	text := fmt.Sprintf("%s: %s", oneLine(c.Name), oneLine(c.Reason))
	if c.Hint != "" {
		text += " " + oneLine(c.Hint)
	}
	return shortEnd(text, maxMessage)
}

func openSettings(id string) Item {
	item := button("Open settings file", Click{Action: OpenSettings})
	item.ID = id
	return item
}

func openKubeconfig(context, path string) Item {
	return button("Open kubeconfig", Click{OpenKubeconfig, context, path})
}

// PlainWords splits a command into words, and reports whether it is nothing more: no shell would expand a word, or run
// anything else.
func PlainWords(command string) ([]string, bool) {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,+@% "
	words := strings.Fields(command)
	return words, len(words) > 0 && strings.Trim(command, plain) == "" && words[0][0] != '-' && !strings.Contains(words[0], "=")
}
