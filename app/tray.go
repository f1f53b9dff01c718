package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sync/errgroup"

	"fairlead/app/actions"
	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/desktop"
	"fairlead/app/instance"
	"fairlead/app/menu"
	"fairlead/app/notify"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/app/tray"
	"fairlead/assets"
)

// runTray runs the tray: the proxies and the model are the same as in serve, and are shown in the panel. One runs per
// user.
func runTray(ctx context.Context, o command.Options) error {
	root := instance.AsRoot()
	if root.Sudo {
		root.Print(os.Stderr) // first, because it may be why there is no desktop
	}
	// This comes before the rest, because a running serve gives its control socket up to the tray.
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
	p, err := instance.Open(o.Kubeconfig, os.Stderr)
	if err != nil {
		return err
	}
	defer p.Close()
	if !root.Sudo {
		root.Print(p.Outputs.Err)
	}
	p.PrintProblems(p.Outputs.Err)
	return showTray(ctx, p)
}

func showTray(ctx context.Context, p *instance.Instance) error {
	choices := make(chan notify.Choice, 8)
	notifier := notify.New(notify.Config{
		Icon: assets.Picture, Log: p.Log,
		Wanted:   func(kind notify.Kind) bool { return p.Settings.Notifies(settings.Notification(kind)) },
		Terminal: desktop.HasTerminal, Titles: menu.Titles,
		Chosen: func(c notify.Choice) {
			select {
			case choices <- c:
			default: // no user clicks faster than that
			}
		},
	})
	p.Gateways = p.NewGateways(notifier.Failure)
	model := p.NewModel(session.Config{Save: p.Store.SetOn})
	clipboard := &desktop.Clipboard{}
	defer func() {
		if err := clipboard.Close(); err != nil {
			p.Log.Warn().Err(err).Msg("clipboard left open")
		}
	}()

	ctx, quit := context.WithCancel(ctx)
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return notifier.Run(groupCtx) })
	group.Go(func() error { notifier.Follow(model.Watch(groupCtx)); return nil })
	group.Go(func() error { return model.Run(groupCtx) })
	if err := p.UpdateModel(groupCtx, model); err != nil {
		quit()
		return errors.Join(err, group.Wait())
	}
	redraw := make(chan struct{}, 1)
	p.Changed = func() { // the menu has more of the settings than the model
		select {
		case redraw <- struct{}{}:
		default: // a redraw is pending already
		}
	}
	group.Go(func() error { return p.Follow(groupCtx, model) })
	group.Go(func() error { p.Restore(groupCtx, model); return nil })
	group.Go(func() error { p.FollowWake(groupCtx, model); return nil })
	clicks := actions.New(p, model, clipboard, notifier, redraw)
	group.Go(func() error { clicks.Choose(groupCtx, choices); return nil })
	group.Go(func() error { return p.Control(groupCtx, p.Ordered(model), control.Tray, quit) })
	// On some systems the panel's library needs the main goroutine's thread, which is this one.
	err := tray.Run(groupCtx, tray.Config{
		Model:       model,
		Extras:      clicks.Extras,
		Redraw:      redraw,
		Act:         clicks.Act,
		Say:         notifier.Say,
		Opened:      clicks.Opened,
		MiddleClick: clicks.MiddleClick,
		MenuShown:   desktop.MenuShown,
		Log:         p.Log,
		Stderr:      p.Outputs.Err,
	})
	quit()
	err = errors.Join(err, clicks.Windows.Close(), group.Wait())
	clicks.Wait() // not earlier: a notification may be clicked until the group has ended
	return err
}
