package notify

import (
	"fmt"
	"strings"
	"time"

	"fairlead/app/explain"
)

// How much of a text from elsewhere is shown, in characters.
const (
	titleLength = 80
	nameLength  = 130
	lineLength  = 400
)

// failure returns the notification of an episode: what failed, where, why, what to do, and how often.
func failure(ep *episode, quiet time.Duration) Notification {
	context, target := explain.Plain(ep.context, nameLength), explain.Plain(ep.target, nameLength)
	n := Notification{Icon: "failed", Title: ep.last.Title, Key: "failure\x00" + ep.context + "\x00" + ep.target + "\x00" + ep.last.Title}
	var lines []string
	switch {
	case ep.rest:
		n.Key = "rest\x00" + ep.context
		n.Title = "More connections fail"
		lines = append(lines, fmt.Sprintf("Other targets in context %s fail too. The last one was %s.", context, target))
	case ep.target == "":
		n.Key = wholeKey(ep.context)
		lines = append(lines, "Context "+context)
	default:
		lines = append(lines, target+" in context "+context)
	}
	lines = append(lines, ep.last.Sentence, ep.last.Hint)
	if ep.command != "" && !strings.Contains(ep.last.Hint, ep.command) {
		lines = append(lines, "To log in: "+ep.command)
	}
	lines = append(lines, times(ep.repeats, quiet))
	n.Title, n.Body = explain.Plain(n.Title, titleLength), body(lines)
	n.Actions, n.About = actionsFor(ep), Choice{Context: ep.context, Text: n.Title + "\n" + n.Body}
	if ep.command != "" {
		n.About.Text = ep.command
	}
	return n
}

// wholeKey returns the key of notifications of a context as a whole.
func wholeKey(context string) string { return "context\x00" + context }

// actionsFor returns the actions that make sense for a failure.
func actionsFor(ep *episode) []Action {
	switch {
	case ep.kind == Dials:
		return []Action{CopyDetails, OpenLog}
	case ep.kind == Logins && ep.command != "":
		return []Action{CopyLogin, Retry}
	}
	return []Action{Retry, OpenLog}
}

// recovery returns the notification that a context works again, which replaces the one of its failure.
func recovery(context string) Notification {
	return Notification{Icon: "on", Key: wholeKey(context), Title: "Works again", Body: "Context " + explain.Plain(context, nameLength)}
}

// title returns the text of an action's button.
func (a Action) title() string {
	return map[Action]string{OpenLog: "Open log", CopyDetails: "Copy details", CopyLogin: "Copy login command", Retry: "Try again"}[a]
}

// times returns how often it failed since the last notification of the same episode.
func times(repeats int, quiet time.Duration) string {
	last := "the last " + quiet.String()
	if quiet == time.Minute {
		last = "the last minute"
	}
	switch repeats {
	case 0:
		return ""
	case 1:
		return "Once more in " + last + "."
	}
	return fmt.Sprintf("%d times in %s.", repeats, last)
}

// message returns a notification that is not a failure.
func message(title, text string) Notification {
	return Notification{Icon: "on", Key: "message\x00" + title, Title: explain.Plain(title, titleLength), Body: body(strings.Split(text, "\n"))}
}

// body joins the lines that are not empty, each one cleaned.
func body(lines []string) string {
	var plain []string
	for _, line := range lines {
		if line = explain.Plain(line, lineLength); line != "" {
			plain = append(plain, line)
		}
	}
	return strings.Join(plain, "\n")
}
