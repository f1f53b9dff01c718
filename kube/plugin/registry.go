package plugin

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
)

// accounts are those in use in this process. A user's login is shared by whatever the user does, so they are the
// process's and not a Plugin's.
var accounts = registry{byKey: map[accountKey]*account{}, turns: map[[sha256.Size]byte]*turn{}}

type registry struct {
	mu    sync.Mutex
	byKey map[accountKey]*account
	turns map[[sha256.Size]byte]*turn // by the user entry
}

// A turn is what the accounts of one user entry share. It outlives the last of them until its plugin has ended.
type turn struct {
	taken    chan struct{}
	accounts int
}

// An accountKey tells accounts apart, by all that their plugins are run with.
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
		text = fmt.Appendf(nil, "%#v", parts) // an extension of the kubeconfig that is no JSON
	}
	return sha256.Sum256(text)
}

// join gives the account for a configuration. Its plugin may run until leave is called.
func (r *registry) join(c Config, renewed func()) (a *account, leave func()) {
	key := keyOf(c)
	m := &member{renewed}
	r.mu.Lock()
	defer r.mu.Unlock()
	if a = r.byKey[key]; a == nil {
		a = &account{config: c, turn: r.turn(key.exec), members: map[*member]struct{}{}}
		r.byKey[key] = a
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.members[m] = struct{}{}
	return a, func() { r.leave(key, a, m) }
}

// turn is that of one user entry, for one account more. mu is held.
func (r *registry) turn(exec [sha256.Size]byte) chan struct{} {
	t := r.turns[exec]
	if t == nil {
		t = &turn{taken: make(chan struct{}, 1)}
		r.turns[exec] = t
	}
	t.accounts++
	return t.taken
}

// give takes back what turn gave.
func (r *registry) give(exec [sha256.Size]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.turns[exec]
	if t.accounts--; t.accounts == 0 {
		delete(r.turns, exec)
	}
}

// leave takes a member away. With the last one the account goes, and its run.
func (r *registry) leave(key accountKey, a *account, m *member) {
	r.mu.Lock()
	a.mu.Lock()
	delete(a.members, m)
	running := a.running
	last := len(a.members) == 0 && r.byKey[key] == a
	if last {
		delete(r.byKey, key)
	}
	a.mu.Unlock()
	r.mu.Unlock()
	if !last {
		return
	}
	if running != nil {
		running.stop()
		<-running.done
	}
	r.give(key.exec)
}
