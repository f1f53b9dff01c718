package plugin

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"fairlead/kube/refcount"
)

// The accounts of this process, and the turns of their user entries. They are not a Plugin's, because everything that a
// user does shares the user's login. A turn, which accounts of one user entry share, holds a value while its plugin runs.
var (
	accounts refcount.Map[accountKey, *account]
	turns    refcount.Map[[sha256.Size]byte, chan struct{}]
)

// An accountKey differs between accounts, by all that their plugins are run with.
type accountKey struct{ exec, cluster [sha256.Size]byte }

func keyOf(c Config) (key accountKey) {
	key.exec = sumOf(c.Exec.Command, c.Exec.Args, c.Exec.Env, c.Exec.APIVersion, c.Exec.InteractiveMode)
	if c.Cluster != nil {
		key.cluster = sumOf(*c.Cluster)
	}
	return key
}

func sumOf(parts ...any) [sha256.Size]byte {
	text, err := json.Marshal(parts)
	if err != nil {
		text = fmt.Appendf(nil, "%#v", parts) // an extension of the kubeconfig that is not JSON
	}
	return sha256.Sum256(text)
}

// join returns the account of a configuration. Its plugin may run until leave is called; the last one to call that ends
// a run, and waits for its process to end.
func join(c Config, renewed func()) (a *account, leave func()) {
	key := keyOf(c)
	a, release := accounts.Acquire(key, func() *account {
		a := &account{config: c, members: map[*member]struct{}{}}
		a.turn, a.releaseTurn = turns.Acquire(key.exec, func() chan struct{} { return make(chan struct{}, 1) })
		return a
	})
	m := &member{renewed}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.members[m] = struct{}{}
	return a, func() {
		a.mu.Lock()
		delete(a.members, m)
		a.mu.Unlock()
		if release() {
			a.end()
		}
	}
}

// end ends the run, and waits for that. Without members no other one begins.
func (a *account) end() {
	a.mu.Lock()
	running := a.running
	a.mu.Unlock()
	if running != nil {
		running.stop()
		<-running.done
	}
	a.releaseTurn()
}
