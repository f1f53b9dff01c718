package clustertest

import (
	"context"
	"io"
	"path/filepath"
)

// Konnectivity returns the directory with the programs server and agent of Konnectivity, and builds them if the user's
// cache has none.
func Konnectivity(ctx context.Context, progress io.Writer) (dir string, err error) {
	source, err := sourceDir()
	if err != nil {
		return "", err
	}
	const module = "sigs.k8s.io/apiserver-network-proxy/cmd/"
	return product{
		name: "Konnectivity", cache: "konnectivity", source: filepath.Join(filepath.Dir(source), "konnectivity"),
		file: "bin", directory: true, slow: true,
		args: []string{"-trimpath", "-ldflags", "-s -w", module + "server", module + "agent"},
		env:  []string{"CGO_ENABLED=0"},
	}.cached(ctx, progress)
}
