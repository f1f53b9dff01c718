package fault_test

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"fairlead/kube/fault"
	"fairlead/proxy/upstream"
)

func TestOfProxyKeepsWhoseFaultItIs(t *testing.T) {
	foreign := errors.New("another")
	if got := fault.OfProxy(foreign, fault.ProxySettings); got != foreign {
		t.Errorf("%v", got)
	}
	for _, row := range []struct {
		problem upstream.Problem
		want    fault.ProxyProblem
		word    error
		kept    bool
	}{
		{upstream.Unusable, fault.ProxyUnusable, syscall.ECONNREFUSED, true},
		{upstream.Login, fault.ProxyLogin, fs.ErrPermission, false},
		{upstream.Denies, fault.ProxyDenies, fs.ErrPermission, false},
		{upstream.Beyond, fault.ProxyBeyond, syscall.ECONNREFUSED, false},
	} {
		err := fault.OfProxy(&upstream.Error{Proxy: "proxy.example:3128", Problem: row.problem, Err: row.word}, fault.ProxyKubeconfig)
		got, ok := errors.AsType[*fault.Proxy](err)
		if !ok || got.Proxy != "proxy.example:3128" || got.Source != fault.ProxyKubeconfig || got.Problem != row.want || got.Err.Error() != row.word.Error() {
			t.Errorf("%q: %T %v, %+v", row.problem, err, err, got)
		}
		// What the proxy says of the API server must not read as said of a target in the cluster.
		if errors.Is(err, row.word) != row.kept {
			t.Errorf("%q: errors.Is(%v, %v) is %t", row.problem, err, row.word, !row.kept)
		}
	}
}
