// Package desktop provides the few services of a desktop that Fairlead uses in addition to the tray and notifications:
// the clipboard, browsers, starting at login, and opening a file with the user's program for it. Each has one file,
// with variants for the operating systems.
//
// It draws nothing and decides nothing: its callers say what is copied or opened, and when.
package desktop

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxClipboardText is the greatest length of a text for WriteText, in bytes.
const MaxClipboardText = 64 << 10

// secretHint is the form that tells clipboard managers not to keep a text, and secretValue its content.
const (
	secretHint  = "x-kde-passwordManagerHint"
	secretValue = "secret"
)

// A content is a text for the clipboard.
type content struct {
	text   string
	secret bool // marked as secret for clipboard managers
}

// WriteSecret is WriteText for a text with a password. If the desktop supports it, clipboard managers are told not to
// keep it.
func (c *Clipboard) WriteSecret(ctx context.Context, text string) error {
	return c.put(ctx, content{text, true})
}

// WriteText puts text on the clipboard. ctx bounds the attempt. The error names what is missing on this desktop and
// never contains the text. Only one WriteText runs at a time; others wait.
func (c *Clipboard) WriteText(ctx context.Context, text string) error {
	return c.put(ctx, content{text, false})
}

func (c *Clipboard) put(ctx context.Context, what content) error {
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
