//go:build !linux

package desktop

import (
	"context"
	"sync"

	"github.com/atotto/clipboard"
)

// Clipboard is the desktop's clipboard. The zero value is ready to use.
type Clipboard struct {
	mu     sync.Mutex
	closed bool
}

// Close releases what WriteText holds, which is nothing on this system.
func (c *Clipboard) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

func (c *Clipboard) write(ctx context.Context, what content) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return clipboard.WriteAll(what.text)
}
