package desktop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/atotto/clipboard"
)

// Clipboard is the desktop's clipboard. Its zero value is ready to use. On X11 a text stays in the clipboard only as
// long as the program that copied it lives, or until a clipboard manager has taken it: Close gives it up.
type Clipboard struct {
	mu      sync.Mutex
	closed  bool
	current *selection // the last text copied over X11; nil: none
}

// closeTimeout bounds the wait for an X server that does not answer.
const closeTimeout = 2 * time.Second

// Close gives up the text that this program holds in the clipboard. Nothing can be copied after it.
func (c *Clipboard) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.current == nil {
		return nil
	}
	c.current.stop()
	select {
	case <-c.current.done:
		return nil
	case <-time.After(closeTimeout):
		return errors.New("close the clipboard: the X server does not answer")
	}
}

// write tries the ways there are on this desktop, the best one first.
func (c *Clipboard) write(ctx context.Context, text string) error {
	wayland, display := os.Getenv("WAYLAND_DISPLAY"), os.Getenv("DISPLAY")
	switch {
	case wayland != "":
		err := wlCopy(ctx, text)
		if err == nil || display == "" {
			return err
		}
		if x11 := c.own(ctx, display, text); x11 != nil {
			return fmt.Errorf("%w; %w", err, x11)
		}
		return nil
	case display != "":
		return c.own(ctx, display, text)
	}
	// Neither kind of desktop, but perhaps a tool that knows another one, such as Windows' clip.exe under WSL.
	if !clipboard.Unsupported && clipboard.WriteAll(text) == nil {
		return nil
	}
	return errNoDesktop
}

// wlCopy hands text to wl-copy of wl-clipboard, which leaves a process behind that serves it. The text goes by the
// standard input: arguments can be read by every user of the machine.
func wlCopy(ctx context.Context, text string) error {
	path, err := exec.LookPath("wl-copy")
	if err != nil {
		return fmt.Errorf("wl-copy is not installed (package wl-clipboard): %w", err)
	}
	cmd := exec.CommandContext(ctx, path, "--type", "text/plain;charset=utf-8")
	cmd.Stdin = strings.NewReader(text)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what it leaves behind outlives a Ctrl-C at our terminal
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("wl-copy: %w", err)
	}
	return nil
}

// own makes this program the owner of the X11 clipboard.
func (c *Clipboard) own(ctx context.Context, display, text string) error {
	next, err := newSelection(ctx, display, text)
	if err != nil {
		return err
	}
	if c.current != nil {
		c.current.stop() // it has lost the clipboard to next already, and ends by itself
	}
	c.current = next
	return nil
}
