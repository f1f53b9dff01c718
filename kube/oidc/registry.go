package oidc

import (
	"crypto/sha256"
	"encoding/json"
	"sync"
)

// accounts are those in use in this process.
var accounts = registry{byKey: map[accountKey]*account{}}

type registry struct {
	mu    sync.Mutex
	byKey map[accountKey]*account
}

// An accountKey differs for user entries, and for each change of one but that of its tokens.
type accountKey [sha256.Size]byte

func keyOf(c Config) accountKey {
	parts := []string{c.Store.Name()}
	for _, key := range []string{keyIssuer, keyClient, keySecret, keyAuthority, keyAuthorityData} {
		parts = append(parts, c.Settings[key])
	}
	text, _ := json.Marshal(parts) // strings can always be encoded
	return sha256.Sum256(text)
}

// join returns the account of a configuration. Its token may be renewed until leave is called.
func (r *registry) join(c Config, p *provider, renewed func()) (a *account, leave func()) {
	key, m := keyOf(c), &member{renewed}
	r.mu.Lock()
	defer r.mu.Unlock()
	if a = r.byKey[key]; a == nil {
		a = &account{config: c, provider: p, members: map[*member]struct{}{}, has: tokensOf(c.Settings)}
		r.byKey[key] = a
	}
	a.adopt(tokensOf(c.Settings))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.members[m] = struct{}{}
	return a, func() { r.leave(key, a, m) }
}

// leave removes a member. With the last one the account goes, and ends its renewal.
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
	}
	a.tasks.Wait()
	a.saveIfNeeded()
}
