package api

import (
	"context"
	"io/fs"
	"os"
	"time"

	"fairlead/kube/kubeconfig"
)

// followEvery is how often a file that the kubeconfig names is looked at.
const followEvery = 5 * time.Second

// followFile reads a file whenever it has changed, and at the beginning, until ctx ends. What cannot be read is as before.
func followFile(ctx context.Context, path string, read func(content []byte)) {
	if path == "" {
		return
	}
	var seen fs.FileInfo
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		if info, err := os.Stat(path); err == nil && !kubeconfig.SameFile(info, seen) {
			if content, err := kubeconfig.ReadBounded(path); err == nil {
				seen = info
				read(content)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
