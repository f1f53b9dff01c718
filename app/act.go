package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"fairlead/app/desktop"
	"fairlead/app/menu"
	"fairlead/app/session"
)

// An actor does what clicks in the menu ask for.
type actor struct {
	model     *session.Manager
	clipboard *desktop.Clipboard
	say       func(title, text string)
	dir       string // of the log
}

// act is tray.Config's Act.
func (a *actor) act(ctx context.Context, click menu.Click) error {
	name := click.Context
	switch click.Action {
	case menu.Toggle:
		return a.model.Do(ctx, session.Toggle{Name: name})
	case menu.Start:
		return a.model.Do(ctx, session.Set{Name: name, On: true, Confirmed: true})
	case menu.Stop:
		return a.model.Do(ctx, session.Set{Name: name})
	case menu.StopAll:
		return a.model.Do(ctx, session.StopAll{})
	case menu.SetAutoOff:
		after, err := time.ParseDuration(click.Argument)
		if err != nil {
			return err
		}
		return a.model.Do(ctx, session.AutoOff{Name: name, After: after})
	case menu.CopySOCKS5, menu.CopyHTTP:
		url := menu.SOCKS5URL
		if click.Action == menu.CopyHTTP {
			url = menu.HTTPURL
		}
		if c, ok := menu.Context(a.model.Snapshot(), name); ok {
			a.copy(ctx, url(c))
		}
		return nil
	case menu.CopyService, menu.CopyLogin, menu.CopyVersion:
		a.copy(ctx, click.Argument)
		return nil
	case menu.OpenLog:
		return desktop.OpenFile(ctx, filepath.Join(a.dir, logName))
	case menu.OpenLogFolder:
		return desktop.OpenFile(ctx, a.dir)
	}
	return fmt.Errorf("%q is not there yet", click.Action)
}

// copy says the text when it cannot be copied, so that it can be typed.
func (a *actor) copy(ctx context.Context, text string) {
	if err := a.clipboard.WriteText(ctx, text); err != nil {
		a.say("Not copied: "+text, err.Error())
		return
	}
	a.say("Copied", text)
}
