package kube

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"fairlead/kube/api"
)

const (
	// maxUsed bounds how many namespaces are remembered for when all of them together may not be asked.
	maxUsed = 16
	// forbiddenLasts is how long a kind is not asked for in all namespaces after that was forbidden.
	forbiddenLasts = 10 * time.Minute
)

// namespaces remembers where one may look.
type namespaces struct {
	context string
	policy  func() *Policy

	mu        sync.Mutex
	recent    []string             // those in which something was found, the latest first
	forbidden map[string]time.Time // by resource: when a cluster-wide list was last refused
}

func newNamespaces(context string, policy func() *Policy) *namespaces {
	return &namespaces{context: context, policy: policy, forbidden: map[string]time.Time{}}
}

// current returns where names that carry no namespace are looked for.
func (n *namespaces) current() string { return cmp.Or(n.policy().Namespace, n.context) }

// used takes note that something was found in a namespace.
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

// visible gives the namespaces to ask one by one: the context's, the policy's and those used.
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

func (n *namespaces) mayAskAll(resource string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Since(n.forbidden[resource]) > forbiddenLasts
}

func (n *namespaces) refuseAll(resource string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forbidden[resource] = time.Now()
}

// everywhere asks for a resource in one namespace, if one is given, or else in all of them at once, and where that is
// forbidden in each of those that are visible. It gives what was found, and an error only when nothing was.
func everywhere[T any](n *namespaces, resource, namespace string, ask func(namespace string) ([]T, error)) ([]T, error) {
	if namespace != "" {
		return ask(namespace)
	}
	if n.mayAskAll(resource) {
		list, err := ask("")
		if !api.IsForbidden(err) {
			return list, err
		}
		n.refuseAll(resource)
	}
	visible := n.visible()
	lists, errs := make([][]T, len(visible)), make([]error, len(visible))
	var wg sync.WaitGroup
	for i, namespace := range visible {
		wg.Go(func() { lists[i], errs[i] = ask(namespace) })
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
