package actions

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"fairlead/app/explain"
	"fairlead/app/instance"
	"fairlead/app/menu"
	"fairlead/kube/egress"
)

// confirmedFor is how long the confirmation that something may be deployed in production holds.
const confirmedFor = 2 * time.Minute

// deployments are the contexts in whose clusters something is being deployed, or was confirmed to be.
type deployments struct {
	mutex     sync.Mutex
	progress  map[string]string    // by context
	confirmed map[string]time.Time // by context
}

// confirm notes that the user has confirmed that something may be deployed in a production context.
func (d *deployments) confirm(name string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.confirmed == nil {
		d.confirmed = map[string]time.Time{}
	}
	d.confirmed[name] = time.Now()
}

// begin reports whether a deployment may begin: one at a time in each context, and in production after it was confirmed.
func (d *deployments) begin(name string, production bool) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	_, busy := d.progress[name]
	switch {
	case busy:
		return errors.New("it is being deployed already")
	case production && time.Since(d.confirmed[name]) > confirmedFor:
		return errors.New("this context is marked as production, and wants a confirmation first")
	}
	delete(d.confirmed, name)
	d.set(name, "checking the rights")
	return nil
}

// set sets the progress of a deployment. The caller holds the mutex.
func (d *deployments) set(name, text string) {
	if d.progress == nil {
		d.progress = map[string]string{}
	}
	d.progress[name] = text
}

func (d *deployments) report(name, text string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.set(name, text)
}

func (d *deployments) end(name string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	delete(d.progress, name)
}

// addTo adds to what the menu shows of a context.
func (d *deployments) addTo(name string, extra *menu.Extra) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	extra.EgressProgress = d.progress[name]
	extra.EgressConfirmed = time.Since(d.confirmed[name]) <= confirmedFor
}

// deployEgress deploys a forward proxy in the cluster of a context that is on, which the user has confirmed in the menu.
func (c *Actions) deployEgress(ctx context.Context, click menu.Click) error {
	name := click.Context
	proxy := c.Gateways.Running(name)
	if proxy == nil {
		return errNotOn
	}
	if err := c.deployments.begin(name, c.Settings.Effective(name).Production); err != nil {
		return err
	}
	defer c.redraw()
	defer c.deployments.end(name)
	c.redraw()
	e := instance.Egress{
		Settings: c.Settings, Context: name, Client: proxy.Cluster().API(), Spec: egress.Spec{Namespace: click.Argument},
		Progress: func(text string) { c.deployments.report(name, text); c.redraw() },
		Changed:  func(ctx context.Context) error { return c.UpdateModel(ctx, c.model) },
	}
	found, err := e.Check(ctx)
	if err == nil {
		err = e.Deploy(ctx, found)
	}
	if err != nil {
		c.Log.Warn().Str("context", name).Str("namespace", click.Argument).Err(err).Msg("egress not deployed")
		if errors.As(err, new(*instance.OtherNamespaceError)) {
			return err
		}
		return errors.New(explain.Error(err).In(name).Text())
	}
	c.Log.Info().Str("context", name).Str("namespace", click.Argument).Msg("egress deployed")
	c.notifier.Say(name+": hosts outside go through the cluster", fmt.Sprintf("A forward proxy is ready in namespace %s. “fairlead egress remove” removes it.", click.Argument))
	return nil
}
