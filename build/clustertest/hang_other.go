//go:build !unix

package clustertest

import "errors"

// HangAPIServer returns errors.ErrUnsupported: clusters do not run on these systems yet.
func (c *Cluster) HangAPIServer(bool) error { return errors.ErrUnsupported }
