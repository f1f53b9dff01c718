//go:build !unix

package stream

import "io"

// waitReadable returns nil: waiting for a TCP connection without a buffer is implemented only for Unix.
func waitReadable(io.Reader) func() { return nil }
