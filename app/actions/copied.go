package actions

import (
	"context"
	"slices"
	"strings"

	"fairlead/app/menu"
	"fairlead/app/notify"
	"fairlead/app/snippet"
	"fairlead/proxy/safetext"
)

// copiedTitle returns what a click copied, and of which context.
func (c *Actions) copiedTitle(click menu.Click) string {
	return copiedTitle(click, menu.Titles(c.model.Snapshot())[click.Context])
}

func copiedTitle(click menu.Click, context string) string {
	what, of, end := "the text", " of ", ""
	switch click.Action {
	case menu.CopySOCKS5:
		what = "the socks5h URL"
	case menu.CopyHTTP:
		what = "the http URL"
	case menu.CopyTLS:
		what = "the https URL"
	case menu.CopyPAC:
		what = "the PAC URL"
	case menu.CopySnippet:
		what, end = "the setup", " for "+snippetTitle(click.Argument)
	case menu.CopyService:
		what, of = "the address of a Service", " in "
	case menu.CopyLogin:
		what = "the login command"
	case menu.CopyMessage:
		what, of = "the message", " about "
	case menu.CopyVersion:
		what = "the version"
	}
	if context == "" {
		return "Copied " + what + end
	}
	return "Copied " + what + of + context + end
}

// snippetTitle returns the title of a kind of snippet.
func snippetTitle(id string) string {
	kinds := append(snippet.Kinds(), snippet.TLSKinds()...)
	if at := slices.IndexFunc(kinds, func(k snippet.Kind) bool { return k.ID == id }); at >= 0 {
		return kinds[at].Title
	}
	return id
}

// copyDetails copies the text of a notification as one line: names in it may be hostile, and it may be pasted into a
// terminal.
func (c *Actions) copyDetails(ctx context.Context, choice notify.Choice) error {
	text := safetext.Clean(strings.ReplaceAll(choice.Text, "\n", " "))
	if err := c.clipboard.WriteText(ctx, text); err != nil {
		return err
	}
	c.notifier.Copied("Copied the details", text)
	return nil
}
