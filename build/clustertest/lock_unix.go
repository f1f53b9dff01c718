//go:build unix

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// lock takes a lock that is shared between processes. The kernel releases it when the process ends, however it ends.
func lock(ctx context.Context, path string, progress io.Writer) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the build: %w", err)
	}
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	reported := time.Now()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, fmt.Errorf("lock the build: %w", errors.Join(err, file.Close()))
		}
		if time.Since(reported) > progressInterval {
			reported = time.Now()
			fmt.Fprintln(progress, "building the cluster: waiting for another process that builds it")
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock the build: %w", errors.Join(context.Cause(ctx), file.Close()))
		case <-ticker.C:
		}
	}
}
