package refcount

import "testing"

func TestAValueExistsAsLongAsItHasUsers(t *testing.T) {
	var m Map[string, *int]
	created := 0
	acquire := func() (*int, func() bool) {
		return m.Acquire("key", func() *int { created++; return new(int) })
	}
	first, releaseFirst := acquire()
	second, releaseSecond := acquire()
	if first != second || created != 1 {
		t.Errorf("two users have %p and %p, %d created", first, second, created)
	}
	for range 2 {
		if releaseFirst() {
			t.Error("the first of two users is the last one")
		}
	}
	if again, release := acquire(); again != first || release() {
		t.Error("a value that has a user is another one, or has no other user")
	}
	if !releaseSecond() {
		t.Error("the only user is not the last one")
	}
	if again, _ := acquire(); again == first || created != 2 {
		t.Errorf("a value without users is kept; %d created", created)
	}
}
