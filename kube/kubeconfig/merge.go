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

// hiddenParts returns a warning if a context uses another cluster or user than that of its own file, because an earlier
// file has one of the same name. It returns nil if both are the same. kubectl merges in the same way, without a warning.
func (m *merged) hiddenParts(name, file string, context *clientcmdapi.Context) *fault.Kubeconfig {
	var parts, hidingFiles []string
	for _, key := range []entryKey{{"clusters", context.Cluster}, {"users", context.AuthInfo}} {
		if first, ok := m.hidden[hiddenEntry{key, file}]; ok {
			parts = append(parts, fmt.Sprintf("the %s %s", strings.TrimSuffix(key.list, "s"), safetext.Clean(key.name)))
			hidingFiles = append(hidingFiles, first)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	if len(hidingFiles) == 2 && hidingFiles[0] != hidingFiles[1] {
		hidingFiles[0] += " and " + hidingFiles[1]
	}
	return &fault.Kubeconfig{
		Cause: fault.KubeconfigHidden, Entry: "context", Name: safetext.Clean(name), Source: hidingFiles[0], File: file, Value: strings.Join(parts, " and "),
	}
}

// hideContext records that a context is ignored because an earlier file has one of the same name, unless the two are
// equal and their clusters and users are too.
func (m *merged) hideContext(name, file string, context *clientcmdapi.Context) {
	first := m.config.Contexts[name]
	if context == nil || first == nil || first.LocationOfOrigin == file {
		return
	}
	same := first.Cluster == context.Cluster && first.AuthInfo == context.AuthInfo && first.Namespace == context.Namespace
	if same && m.hiddenParts(name, file, context) == nil {
		return
	}
	m.problems = append(m.problems, Problem{File: file, Harmless: true, Err: &fault.Kubeconfig{
		Cause: fault.KubeconfigHidden, Entry: "context", Name: safetext.Clean(name), Source: first.LocationOfOrigin, File: file,
		Value: "the context " + safetext.Clean(name),
	}})
}
