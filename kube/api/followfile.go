package api

import (
	"context"
	"io/fs"
	"os"
	"time"

	"fairlead/kube/kubeconfig"
)

// followEvery is the interval at which a file that the kubeconfig names is checked for changes.
const followEvery = 5 * time.Second

// followFile calls read with a file's content at the beginning and after each change, until ctx ends. A file that cannot be
// read counts as unchanged.
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
