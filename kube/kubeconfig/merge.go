package kubeconfig

import (
	"fmt"
	"reflect"
	"strings"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/kube/fault"
	"fairlead/proxy/safetext"
)

// sameCluster reports whether two entries lead to the same cluster in the same way, whatever file they are in.
func sameCluster(a, b *clientcmdapi.Cluster) bool {
	x, y := *a, *b
	x.LocationOfOrigin, x.Extensions = "", nil
	y.LocationOfOrigin, y.Extensions = "", nil
	return reflect.DeepEqual(x, y)
}

// sameUser reports whether two entries log in as the same user in the same way, whatever file they are in.
func sameUser(a, b *clientcmdapi.AuthInfo) bool {
	x, y := *a, *b
	x.LocationOfOrigin, x.Extensions = "", nil
	y.LocationOfOrigin, y.Extensions = "", nil
	return reflect.DeepEqual(x, y)
}

// overruled returns what of a context's own file does not count because an earlier file has a cluster or a user of the
// same name; nil if that makes no difference. kubectl merges so, too, without a warning.
func (m *merged) overruled(name, file string, context *clientcmdapi.Context) *fault.Kubeconfig {
	var parts, by []string
	for _, key := range []entryKey{{"clusters", context.Cluster}, {"users", context.AuthInfo}} {
		if first, ok := m.hidden[hiddenEntry{key, file}]; ok {
			parts = append(parts, fmt.Sprintf("the %s %s", strings.TrimSuffix(key.list, "s"), safetext.Clean(key.name)))
			by = append(by, first)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	if len(by) == 2 && by[0] != by[1] {
		by[0] += " and " + by[1]
	}
	return &fault.Kubeconfig{
		Cause: fault.KubeconfigHidden, Entry: "context", Name: safetext.Clean(name), Source: by[0], File: file, Value: strings.Join(parts, " and "),
	}
}

// hideContext records that a context does not count, because an earlier file has one of that name, unless both are the
// same with all that they name.
func (m *merged) hideContext(name, file string, context *clientcmdapi.Context) {
	first := m.config.Contexts[name]
	if context == nil || first == nil || first.LocationOfOrigin == file {
		return
	}
	same := first.Cluster == context.Cluster && first.AuthInfo == context.AuthInfo && first.Namespace == context.Namespace
	if same && m.overruled(name, file, context) == nil {
		return
	}
	m.problems = append(m.problems, Problem{File: file, Harmless: true, Err: &fault.Kubeconfig{
		Cause: fault.KubeconfigHidden, Entry: "context", Name: safetext.Clean(name), Source: first.LocationOfOrigin, File: file,
		Value: "the context " + safetext.Clean(name),
	}})
}
