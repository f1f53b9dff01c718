package fault

import (
	"errors"

	"fairlead/proxy/upstream"
)

// OfProxy returns the fault of a forward proxy, which is set at source, behind an error of package upstream. It returns
// other errors as they are.
func OfProxy(err error, source ProxySource) error {
	failed, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		return err
	}
	e := &Proxy{Proxy: failed.Proxy, Source: source, Problem: ProxyProblem(failed.Problem), Err: failed.Err}
	if e.Problem != ProxyUnusable {
		// The proxy speaks of the API server: its words must not read as if a target in the cluster were refused.
		e.Err = errors.New(failed.Err.Error())
	}
	return e
}
