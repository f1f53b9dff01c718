package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sync/errgroup"

	"fairlead/app/command"
	"fairlead/app/desktop"
	"fairlead/app/notify"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/app/tray"
	"fairlead/assets"
)

// runTray is the desktop program: the same proxies, owned by the same model, shown in the panel. One runs per user.
func runTray(ctx context.Context, o command.Options) error {
	// First of all, since a serve that runs gives its control socket up to the tray.
	if err := tray.Possible(ctx); err != nil {
		return err
	}
	dir, err := settings.Dir()
	if err != nil {
		return err
	}
	release, alone, err := settings.Lock(dir)
	if err != nil {
		return err
	}
	if !alone {
		return errors.New("another one is already running for you: look for its icon in the panel")
	}
	defer release()
	p, err := open(o, os.Stderr)
	if err != nil {
		return err
	}
	defer p.Close()
	p.sayProblems(p.outputs.err)
	return p.tray(ctx)
}

func (p *program) tray(ctx context.Context) error {
	choices := make(chan notify.Choice, 8)
	notifier := notify.New(notify.Config{
		Icon: assets.Picture, Log: p.log,
		Wanted: func(kind notify.Kind) bool { return p.settings.Notifies(settings.Notification(kind)) },
		Chosen: func(c notify.Choice) {
			select {
			case choices <- c:
			default: // nobody clicks faster than that
			}
		},
	})
	p.gateways = p.newGateways(notifier.Failure)
	model := p.manager(session.Config{Save: p.store.SetOn})
	clipboard := &desktop.Clipboard{}
	defer clipboard.Close()

	ctx, quit := context.WithCancel(ctx)
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return notifier.Run(groupCtx) })
	group.Go(func() error { notifier.Follow(model.Watch(groupCtx)); return nil })
	group.Go(func() error { return model.Run(groupCtx) })
	if err := p.tell(groupCtx, model); err != nil {
		quit()
		return errors.Join(err, group.Wait())
	}
	group.Go(func() error { return p.follow(groupCtx, model) })
	group.Go(func() error { p.restore(groupCtx, model); return nil })
	group.Go(func() error { p.stayTrue(groupCtx, model); return nil })
	redraw := make(chan struct{}, 1)
	clerk := p.clerk(model, clipboard, notifier, redraw)
	group.Go(func() error { clerk.choose(groupCtx, choices); return nil })
	group.Go(func() error { return p.control(groupCtx, orderedModel{model, p.settings}, "tray") })
	// On some systems the panel's library wants the main goroutine's thread, which is this one.
	err := tray.Run(groupCtx, tray.Config{
		Model:  model,
		Extras: clerk.extras,
		Redraw: redraw,
		Act:    clerk.act,
		Say:    notifier.Say,
		Log:    p.log,
		Stderr: p.outputs.err,
	})
	quit()
	err = errors.Join(err, clerk.windows.Close(), group.Wait())
	clerk.wait() // only now, for until the group has ended a notification may be clicked
	return err
}
