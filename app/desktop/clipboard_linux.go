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

// Clipboard is the desktop's clipboard. The zero value is ready to use. On X11 and Wayland a text stays on the
// clipboard only as long as the program that copied it runs, or until a clipboard manager has taken it. Close gives it
// up.
type Clipboard struct {
	mu      sync.Mutex
	closed  bool
	current provider // the text that this program provides now, or nil
}

// A provider is a goroutine of this program that provides a text on the clipboard.
type provider interface {
	end()                   // stops providing it
	ended() <-chan struct{} // is closed when the text was given up or replaced
}

// closeTimeout bounds the wait for an X server that does not respond.
const closeTimeout = 2 * time.Second

// Close stops providing text for the clipboard. After it nothing can be copied.
func (c *Clipboard) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.current == nil {
		return nil
	}
	c.current.end()
	select {
	case <-c.current.ended():
		return nil
	case <-time.After(closeTimeout):
		return errors.New("close the clipboard: the display does not respond")
	}
}

// write tries the methods of this desktop, the best one first.
func (c *Clipboard) write(ctx context.Context, what content) error {
	wayland, display := os.Getenv("WAYLAND_DISPLAY"), os.Getenv("DISPLAY")
	switch {
	case wayland != "":
		selection, err := newWaylandSelection(ctx, wayland, what)
		if err == nil {
			c.hold(selection)
			return nil
		}
		if wlErr := wlCopy(ctx, what); wlErr == nil || display == "" {
			if wlErr != nil {
				wlErr = fmt.Errorf("%w; %w", err, wlErr)
			}
			return wlErr
		}
		if x11Err := c.writeX11(ctx, display, what); x11Err != nil {
			return fmt.Errorf("%w; %w", err, x11Err)
		}
		return nil
	case display != "":
		return c.writeX11(ctx, display, what)
	}
	// It is neither X11 nor Wayland, but there may be a tool for something else, such as Windows' clip.exe under WSL.
	if !clipboard.Unsupported && clipboard.WriteAll(what.text) == nil {
		return nil
	}
	return errNoDesktop
}

// wlCopy passes a text to wl-copy of wl-clipboard, which leaves a process behind that provides it. Only its newer
// versions (2.3) can mark a text as secret; older ones reject the option before they copy anything.
func wlCopy(ctx context.Context, what content) error {
	path, err := exec.LookPath("wl-copy")
	if err != nil {
		return fmt.Errorf("wl-copy is not installed (package wl-clipboard): %w", err)
	}
	if what.secret {
		if err := runWlCopy(ctx, path, what.text, "--sensitive"); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return runWlCopy(ctx, path, what.text)
}

// runWlCopy passes the text on standard input, because every user of the machine can read arguments.
func runWlCopy(ctx context.Context, path, text string, options ...string) error {
	cmd := exec.CommandContext(ctx, path, append(options, "--type", "text/plain;charset=utf-8")...)
	cmd.Env = windowEnvironment()
	cmd.Stdin = strings.NewReader(text)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the process left behind must survive a Ctrl-C at our terminal
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("wl-copy: %w", err)
	}
	return nil
}

// writeX11 makes this program the owner of the X11 clipboard.
func (c *Clipboard) writeX11(ctx context.Context, display string, what content) error {
	next, err := newSelection(ctx, display, what)
	if err != nil {
		return err
	}
	c.hold(next)
	return nil
}

// hold makes next the current provider.
func (c *Clipboard) hold(next provider) {
	if c.current != nil {
		c.current.end() // it need not be waited for: next has replaced it already
	}
	c.current = next
}
