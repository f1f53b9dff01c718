package oidc

import (
	"crypto/sha256"
	"encoding/json"

	"fairlead/kube/refcount"
)

// The accounts of this process.
var accounts refcount.Map[accountKey, *account]

// An accountKey identifies the settings of a user entry in a kubeconfig, except for its tokens.
type accountKey [sha256.Size]byte

func keyOf(c Config) accountKey {
	parts := []string{c.Store.Name()}
	for _, key := range []string{keyIssuer, keyClient, keySecret, keyAuthority, keyAuthorityData} {
		parts = append(parts, c.Settings[key])
	}
	text, _ := json.Marshal(parts) // strings can always be encoded
	return sha256.Sum256(text)
}

// join returns the account of a configuration. Its token may be renewed until leave is called. The last call of leave
// ends a renewal.
func join(c Config, p *provider, renewed func()) (a *account, leave func()) {
	a, release := accounts.Acquire(keyOf(c), func() *account {
		return &account{config: c, provider: p, members: map[*member]struct{}{}, held: tokensOf(c.Settings)}
	})
	a.useStored(tokensOf(c.Settings))
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

// end stops the renewal, waits for it, and saves the tokens. Without members, no other renewal begins.
func (a *account) end() {
	a.mu.Lock()
	running := a.running
	a.mu.Unlock()
	if running != nil {
		running.stop()
	}
	a.tasks.Wait()
	a.saveIfNeeded()
}
