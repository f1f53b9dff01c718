package session

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestHealthTurnsOnIntoUnavailableAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		m, _ := runManager(t, Config{Start: p.Start})
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		health := p.get("a").health
		health(errors.New("no route"))
		synctest.Wait()
		want(t, m, "a", Unavailable, "no route")
		health(errors.New("login refused"))
		synctest.Wait()
		want(t, m, "a", Unavailable, "login refused")
		health(nil)
		synctest.Wait()
		want(t, m, "a", On, "")
		health(errors.New("no route"))
		synctest.Wait()
		for reported, unknown := range map[error]bool{ErrUnknownHealth: true, nil: false} {
			health(reported)
			synctest.Wait()
			if want(t, m, "a", On, ""); get(t, m, "a").Unknown != unknown {
				t.Errorf("reported %v: unknown %t", reported, !unknown)
			}
		}
		do(t, m, StopAll{})
		synctest.Wait()
		health(errors.New("too late"))
		synctest.Wait()
		want(t, m, "a", Off, "")
	})
}

func TestHealthReportedDuringTheStartIsShownAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		m, _ := runManager(t, Config{Start: func(ctx context.Context, name string, restored bool, health func(error)) (Proxy, error) {
			health(errors.New("no route"))
			time.Sleep(time.Second)
			return p.Start(ctx, name, restored, health)
		}})
		do(t, m, Set{Name: "a", On: true})
		synctest.Wait()
		want(t, m, "a", Starting, "")
		time.Sleep(time.Second)
		synctest.Wait()
		want(t, m, "a", Unavailable, "no route")
	})
}
