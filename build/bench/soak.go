package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"fairlead/build/bench/soak"
	"fairlead/build/clustertest"
)

// The parameters of the soak.
const (
	soakRate  = 50 // connections a second
	soakPace  = 4 * time.Second
	soakLines = 40 // of samples, about
	// soakRest is longer than Fairlead keeps unused sessions, except for the last two of each Pod. A short soak does
	// not wait for that.
	soakRest = 2 * time.Minute
)

// runSoak runs the soak on its own cluster. Unlike the rows it needs no delay line and no namespace. If a rule is
// broken it keeps the logs.
func runSoak(ctx context.Context, p parameters) (err error) {
	say := progressPrinter(time.Now())
	if p.Dir, err = os.MkdirTemp("", "fairlead-soak-"); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = os.RemoveAll(p.Dir)
		} else {
			err = fmt.Errorf("%w\nthe logs are in %s", err, p.Dir)
		}
	}()
	say("build Fairlead")
	fairlead, err := soak.Build(ctx, p.Dir, p.Race)
	if err != nil {
		return err
	}
	say("start a Kubernetes cluster")
	cluster, err := clustertest.Launch(ctx, clustertest.Options{NoFixtures: true, Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	err = soak.Run(ctx, soak.Config{
		Cluster: cluster, Fairlead: fairlead, Dir: p.Dir, Rate: soakRate, Pace: soakPace, Say: say,
		For: p.Soak, Warm: max(p.Soak/20, 5*time.Second), Rest: soakRest, Every: max(p.Soak/soakLines, time.Second),
		Reaped: p.Soak > soakRest,
	})
	if err == nil {
		say("nothing that the rules forbid, and no growth")
	}
	return err
}
