package actions

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/app/menu"
	"fairlead/kube"
)

// slow is a cluster that answers after a second.
type slow struct{ err error }

func (s slow) Namespaces(context.Context) ([]string, error) {
	time.Sleep(time.Second)
	return []string{"web"}, s.err
}

func (slow) Services(context.Context, string) ([]kube.Service, error) {
	return []kube.Service{{Namespace: "web", Name: "hello"}}, nil
}

func TestAPageStaysWhileItIsLoadedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := 0
		c := &catalogue{changed: func() { changes++ }}
		defer c.loading.Wait()
		page := func() (extra menu.Extra) {
			synctest.Wait()
			c.addTo("a", &extra)
			return extra
		}
		if c.has("a") {
			t.Error("a page that was never loaded is there")
		}
		c.load(t.Context(), "a", slow{})
		if got := page(); !got.Loading || got.Services != nil || !c.has("a") {
			t.Errorf("at first: %+v", got)
		}
		time.Sleep(2 * time.Second)
		if got := page(); got.Loading || len(got.Services) != 1 || len(got.Namespaces) != 1 || changes != 2 {
			t.Errorf("then: %+v, %d changes", got, changes)
		}
		c.load(t.Context(), "a", slow{errors.New("no")})
		if got := page(); !got.Loading || len(got.Services) != 1 {
			t.Errorf("while it is loaded again: %+v", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		c.addTaken("a", 5432)
		c.addTaken("b", 5432) // whose Services were never loaded
		if got := page(); !slices.Equal(got.TakenPorts, []uint16{5432}) || changes != 6 {
			t.Errorf("with a taken port: %+v, %d changes", got, changes)
		}
		c.load(t.Context(), "a", slow{errors.New("no")})
		time.Sleep(2 * time.Second)
		if got := page(); got.TakenPorts != nil {
			t.Errorf("a port is taken for ever: %+v", got)
		}
		if got := page(); got.LoadFailed == "" || c.has("a") {
			t.Errorf("after a failure: %+v", got)
		}
	})
}
