//go:build !unix

package clustertest

import "errors"

// HangAPIServer is unsupported: there are no clusters on these systems yet.
func (c *Cluster) HangAPIServer(bool) error { return errors.ErrUnsupported }
