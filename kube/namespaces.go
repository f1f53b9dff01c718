package kube

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"fairlead/kube/api"
)

const (
	// maxUsed bounds how many used namespaces are remembered.
	maxUsed = 16
	// forbiddenLasts is how long a resource is not listed in all namespaces after that was forbidden.
	forbiddenLasts = 10 * time.Minute
)

// namespaces knows the namespaces to search where cluster-wide lists are forbidden.
type namespaces struct {
	context string
	policy  func() *Policy

	mu        sync.Mutex
	recent    []string             // in which something was found, the latest first
	forbidden map[string]time.Time // by resource: when a cluster-wide list was last refused
}

func newNamespaces(context string, policy func() *Policy) *namespaces {
	return &namespaces{context: context, policy: policy, forbidden: map[string]time.Time{}}
}

// current returns the namespace of names without one.
func (n *namespaces) current() string { return cmp.Or(n.policy().Namespace, n.context) }

// used records that something was found in a namespace.
func (n *namespaces) used(namespace string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.recent) > 0 && n.recent[0] == namespace {
		return
	}
	n.recent = slices.DeleteFunc(n.recent, func(other string) bool { return other == namespace })
	n.recent = slices.Insert(n.recent, 0, namespace)
	n.recent = n.recent[:min(len(n.recent), maxUsed)]
}

// visible returns the namespaces to search one by one: the context's, the policy's and the recently used.
func (n *namespaces) visible() []string {
	list := []string{n.context}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, namespace := range slices.Concat([]string{n.policy().Namespace}, n.recent) {
		if namespace != "" && !slices.Contains(list, namespace) {
			list = append(list, namespace)
		}
	}
	return list
}

// mayListAll reports whether it is worth listing a resource in all namespaces.
func (n *namespaces) mayListAll(resource string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Since(n.forbidden[resource]) > forbiddenLasts
}

// forbidAll records that the user may not list a resource in all namespaces.
func (n *namespaces) forbidAll(resource string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forbidden[resource] = time.Now()
}

// listEverywhere lists a resource with list in the given namespace. If that is empty, it lists all namespaces with one
// question, or, where that is forbidden, each visible namespace. It returns an error only if it found nothing.
func listEverywhere[T any](n *namespaces, resource, namespace string, list func(namespace string) ([]T, error)) ([]T, error) {
	if namespace != "" {
		return list(namespace)
	}
	if n.mayListAll(resource) {
		all, err := list("")
		if !api.IsForbidden(err) {
			return all, err
		}
		n.forbidAll(resource)
	}
	visible := n.visible()
	lists, errs := make([][]T, len(visible)), make([]error, len(visible))
	var wg sync.WaitGroup
	for i, namespace := range visible {
		wg.Go(func() { lists[i], errs[i] = list(namespace) })
	}
	wg.Wait()
	if found := slices.Concat(lists...); len(found) > 0 {
		return found, nil
	}
	for _, err := range errs {
		if err == nil || isSilent(err) {
			return nil, err
		}
	}
	return nil, errs[0]
}
