//go:build !unix

package proxy

import "io"

func waitReadable(io.Reader) func() { return nil }
