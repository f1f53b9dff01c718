package session

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestHangingStartFailsInTimeAndIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		p.start = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		m, _ := runManager(t, Config{Start: p.Start, StartWithin: 5 * time.Second})
		do(t, m, Set{Name: "a", On: true})
		time.Sleep(5*time.Second - time.Nanosecond)
		synctest.Wait()
		want(t, m, "a", Starting, "")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		want(t, m, "a", Failed, "It did not start within 5s.")
		time.Sleep(time.Minute)
		want(t, m, "a", Failed, "It did not start within 5s.")
		do(t, m, Set{Name: "a"})
		want(t, m, "a", Off, "")
	})
}

func TestContextSetOnAfterAHangingStartStartsOnceThatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		p.start = func(ctx context.Context, _ string) error { <-ctx.Done(); time.Sleep(3 * time.Second); return ctx.Err() }
		m, _ := runManager(t, Config{Start: p.Start, StartWithin: 5 * time.Second})
		do(t, m, Set{Name: "a", On: true})
		time.Sleep(6 * time.Second)
		synctest.Wait()
		p.start = nil
		do(t, m, Set{Name: "a", On: true})
		want(t, m, "a", Stopping, "")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want(t, m, "a", On, "")
	})
}

func TestStopThatHangsIsGivenUpAndShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		release := make(chan struct{})
		p.deaf = func() <-chan struct{} { return release }
		m, stop := runManager(t, Config{Start: p.Start, StopWithin: 3 * time.Second})
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		do(t, m, Set{Name: "a"})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		want(t, m, "a", Failed, "It did not stop within 3s.")
		if err := stop(); err == nil || err.Error() != "stop a: not done within 3s" {
			t.Errorf("Run() = %v", err)
		}
		close(release)
	})
}

func TestProxyThatEndsByItselfHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		m, _ := runManager(t, Config{Start: p.Start})
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		p.get("a").fail <- nil
		synctest.Wait()
		want(t, m, "a", Failed, errEnded.Error())
	})
}
