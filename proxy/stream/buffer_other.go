//go:build !unix

package stream

import "io"

func waitReadable(io.Reader) func() { return nil }
