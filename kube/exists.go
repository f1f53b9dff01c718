package kube

import (
	"context"
	"errors"
	"net"

	"fairlead/kube/fault"
)

// Exists reports whether the cluster has the host, which Lookup found to be in it, as the cluster's DNS would: whether the
// Service or the Pod is there, ready or not. An error, such as a *fault.Forbidden, means that this is not known.
func (h *Host) Exists(ctx context.Context) (bool, error) {
	if h.check() != nil {
		return false, nil
	}
	asked, end, err := h.cluster.begin(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	port := 0 // for a Service it costs no further question
	if h.name.meaning != serviceName {
		port = 1 // a Pod is looked for only with a port
	}
	_, err = h.resolve(asked, port)
	var absent *fault.NotFound
	switch {
	case err == nil, errors.As(err, new(*net.AddrError)), errors.As(err, new(*fault.NoEndpoints)):
		return true, nil
	case errors.As(err, &absent):
		return absent.Kind == fault.Port, nil
	}
	return false, err
}
