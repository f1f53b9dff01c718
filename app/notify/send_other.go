//go:build !linux

package notify

import (
	"context"
	"fmt"

	"github.com/gen2brain/beeep"
)

// A desktop shows notifications by what the system has: toasts on Windows, Notification Center on macOS. Neither takes
// one back or has buttons here, so keys and actions mean nothing, and neither can be cancelled.
type desktop struct {
	icon any
}

func newDesktop(icon []byte, _ func(Choice)) Sender {
	if len(icon) == 0 {
		return &desktop{icon: ""}
	}
	return &desktop{icon: icon}
}

func (d *desktop) Send(ctx context.Context, n Notification) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	beeep.AppName = "Fairlead"
	if err := beeep.Notify(defuse(n.Title), defuse(n.Body), d.icon); err != nil {
		return fmt.Errorf("desktop notification: %w", err)
	}
	return nil
}

func (d *desktop) Close() error { return nil }
