package soak

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/build/clustertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// raced reports that the tests run with the race detector, so Fairlead is built with it too.
var raced bool

// TestConnectionsWhilePodsAreDeletedAndSessionsCut is a short soak: a broken rule fails it.
func TestConnectionsWhilePodsAreDeletedAndSessionsCut(t *testing.T) {
	dir := t.TempDir()
	fairlead, err := Build(t.Context(), dir, raced)
	if err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), Config{
		Cluster:  clustertest.Start(t, clustertest.Options{NoFixtures: true}),
		Fairlead: fairlead, Dir: dir, Say: t.Logf,
		// Rest is a bound for slow machines: half-closed connections may take seven seconds.
		Warm: time.Second, For: 8 * time.Second, Rest: 30 * time.Second,
		Rate: 50, Pace: 1500 * time.Millisecond, Every: 2 * time.Second,
	}); err != nil {
		t.Error(err)
	}
}
