//go:build !linux

package notify

import (
	"context"
	"fmt"

	"github.com/gen2brain/beeep"
)

// A desktop shows notifications by the system's means: toasts on Windows, Notification Center on macOS. Here neither
// can replace one, show buttons, or be cancelled, so keys and actions have no effect.
type desktop struct {
	icon func(name string) []byte
}

// replaces reports whether a notification can take the place of another.
const replaces = false

func newDesktop(icon func(string) []byte, _ func(Choice)) Sender { return &desktop{icon} }

func (d *desktop) Send(ctx context.Context, n Notification) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	beeep.AppName = "Fairlead"
	var icon any = "" // none
	if picture := d.icon(n.Icon); len(picture) > 0 {
		icon = picture
	}
	if err := beeep.Notify(defuse(n.Title), defuse(n.Body), icon); err != nil {
		return fmt.Errorf("desktop notification: %w", err)
	}
	return nil
}

func (d *desktop) Close() error { return nil }
