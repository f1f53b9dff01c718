package desktop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// openTimeout is how long OpenFile and OpenTerminal wait for the program to fail. Many run as long as the window.
const openTimeout = 3 * time.Second

// OpenFile shows the file at path with the user's program for it. It returns when that program was started, or when the
// desktop's opener has not failed within some seconds. ctx bounds that wait and does not end the viewer. Every error
// names the path, so that it can be opened by hand.
func OpenFile(ctx context.Context, path string) error {
	// An absolute path cannot be mistaken for an option.
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if _, err := os.Stat(path); err != nil {
		return err
	}
	cmd, err := opener(path)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	cmd.Env = windowEnvironment()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if err := waitBriefly(ctx, cmd); err != nil {
		return fmt.Errorf("no program of this desktop can show %s (%s: %w)", path, filepath.Base(cmd.Path), err)
	}
	return nil
}

// waitBriefly waits until a started program has ended, openTimeout has passed or ctx ends, and returns the program's
// failure if there was one by then. It does not end the program.
func waitBriefly(ctx context.Context, cmd *exec.Cmd) error {
	ended := make(chan error, 1)
	// This goroutine is not waited for: it runs as long as the program, and only collects its exit status.
	go func() { ended <- cmd.Wait() }()
	timer := time.NewTimer(openTimeout)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}
