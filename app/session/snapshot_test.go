package session

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

// another returns a value of a field's type that is not its zero value.
func another(t *testing.T, of reflect.Type) reflect.Value {
	t.Helper()
	switch of {
	case reflect.TypeFor[time.Time]():
		return reflect.ValueOf(time.Unix(1, 0))
	case reflect.TypeFor[Endpoints]():
		return reflect.ValueOf(ProxyAt("127.0.0.1:1080"))
	}
	switch of.Kind() {
	case reflect.String:
		return reflect.ValueOf("x").Convert(of)
	case reflect.Bool:
		return reflect.ValueOf(true)
	}
	t.Fatalf("this test knows no value of type %v", of)
	return reflect.Value{}
}

func TestStatesThatDifferInAnyFieldAreNotEqual(t *testing.T) {
	var none State
	if !none.equal(State{}) {
		t.Error("two zero states differ")
	}
	for field := range reflect.TypeFor[State]().Fields() {
		var one State
		reflect.ValueOf(&one).Elem().FieldByIndex(field.Index).Set(another(t, field.Type))
		if one.equal(none) || none.equal(one) {
			t.Errorf("states with different %s are equal", field.Name)
		}
		if same := one; !one.equal(same) {
			t.Errorf("a state with %s is not equal to its copy", field.Name)
		}
	}
	both := State{Endpoints: append(ProxyAt("127.0.0.1:1080"), ProxyAt("127.0.0.1:1081")...)}
	if both.equal(State{Endpoints: ProxyAt("127.0.0.1:1080")}) {
		t.Error("a second endpoint makes no difference")
	}
}

func TestTheVersionGrowsWithEachChangeOfAnyEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := runManager(t, Config{Start: newProxies(t).Start})
		first := m.Snapshot()
		for _, step := range []struct {
			endpoints Endpoints
			changed   bool
		}{
			{ProxyAt("127.0.0.1:1080"), true},
			{ProxyAt("127.0.0.1:1080"), false},
			{append(ProxyAt("127.0.0.1:1080"), ProxyAt("127.0.0.1:1081")...), true},
			{append(ProxyAt("127.0.0.1:1080"), ProxyAt("127.0.0.1:1081")...), false},
			{append(ProxyAt("127.0.0.1:1080"), ProxyAt("127.0.0.1:1082")...), true},
		} {
			do(t, m, SetContexts{Entries: []Entry{{Name: "a", Endpoints: step.endpoints}}})
			next := m.Snapshot()
			if grown := next.Version > first.Version; grown != step.changed {
				t.Errorf("%v: version %d after %d", step.endpoints, next.Version, first.Version)
			}
			if got := get(t, m, "a").Endpoints; !reflect.DeepEqual(got, step.endpoints) {
				t.Errorf("got %v, want %v", got, step.endpoints)
			}
			first = next
		}
	})
}
