//go:build !unix

package clustertest

import (
	"context"
	"io"
)

// lock lets everybody build: the result is moved to its place, so the last one wins and no harm is done.
func lock(context.Context, string, io.Writer) (unlock func(), err error) {
	return func() {}, nil
}
