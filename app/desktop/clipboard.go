// Package desktop is the few services of a desktop that Fairlead uses beside the tray and notifications: the clipboard,
// and opening a file with the user's own program for it. Each has one file, with a twin per operating system.
//
// It draws nothing and decides nothing: what is copied or opened, and when, is its callers' to say.
package desktop

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxClipboardText is the greatest length, in bytes, of what WriteText takes.
const MaxClipboardText = 64 << 10

// secretHint is the form by which clipboard managers know a text that they are not to keep, and secretValue what it holds.
const (
	secretHint  = "x-kde-passwordManagerHint"
	secretValue = "secret"
)

// A copied is a text for the clipboard.
type copied struct {
	text   string
	secret bool // it says so to clipboard managers
}

// WriteSecret is WriteText for a text with a password: where the desktop has a way to say so, clipboard managers are told
// not to keep it.
func (c *Clipboard) WriteSecret(ctx context.Context, text string) error {
	return c.put(ctx, copied{text, true})
}

// WriteText makes text what the next paste gives. ctx bounds the attempt. The error names what is missing on this
// desktop and never holds the text. Only one WriteText runs at a time; others wait.
func (c *Clipboard) WriteText(ctx context.Context, text string) error {
	return c.put(ctx, copied{text, false})
}

func (c *Clipboard) put(ctx context.Context, what copied) error {
	text := what.text
	if len(text) > MaxClipboardText {
		return fmt.Errorf("copy to the clipboard: %d bytes are more than %d", len(text), MaxClipboardText)
	}
	if !utf8.ValidString(text) {
		return errors.New("copy to the clipboard: the text is not UTF-8")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("copy to the clipboard: it is closed")
	}
	if err := c.write(ctx, what); err != nil {
		return fmt.Errorf("copy to the clipboard: %w", err)
	}
	return nil
}
