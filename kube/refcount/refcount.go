// Package refcount shares values between users that know them by the same key. A value exists as long as it has users.
package refcount

import "sync"

// A Map holds the values that have users. Its zero value is empty. Its methods may be called from several goroutines.
type Map[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]*entry[V]
}

type entry[V any] struct {
	value V
	users int
}

// Acquire returns the value of a key, for one more user. If there is no value, Acquire calls create for one. The user has
// to call release, which reports whether it was the last user, so that the Map has the value no longer. Later calls of
// release do nothing, and return the same.
func (m *Map[K, V]) Acquire(key K, create func() V) (value V, release func() (last bool)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[key]
	if e == nil {
		e = &entry[V]{value: create()}
		if m.entries == nil {
			m.entries = map[K]*entry[V]{}
		}
		m.entries[key] = e
	}
	e.users++
	return e.value, sync.OnceValue(func() (last bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if e.users--; e.users > 0 {
			return false
		}
		delete(m.entries, key)
		return true
	})
}
