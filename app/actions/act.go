// Package actions carries out what is clicked in the menu and on notifications. What the menu shows is decided
// elsewhere.
package actions

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"fairlead/app/desktop"
	"fairlead/app/instance"
	"fairlead/app/logging"
	"fairlead/app/menu"
	"fairlead/app/notify"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/app/snippet"
	"fairlead/assets"
	"fairlead/proxy/safetext"
)

// Actions carries out clicks.
type Actions struct {
	*instance.Instance
	model      *session.Manager
	catalogue  *catalogue
	clipboard  *desktop.Clipboard
	notifier   *notify.Notifier
	Windows    *desktop.Browsers
	redraw     func()
	background sync.WaitGroup // work begun by clicks that have returned

	deployments deployments
}

// Wait returns when everything begun by clicks has ended. No further click may come.
func (c *Actions) Wait() {
	c.background.Wait()
	c.catalogue.loading.Wait()
}

// Act carries out a click. It is used as a tray.Config's Act.
func (c *Actions) Act(ctx context.Context, click menu.Click) error {
	name := click.Context
	switch click.Action {
	case menu.TurnOn:
		return c.model.Do(ctx, session.Set{Name: name, On: true})
	case menu.Start:
		return c.model.Do(ctx, session.Set{Name: name, On: true, Confirmed: true})
	case menu.StartFor:
		after, err := time.ParseDuration(click.Argument)
		if err != nil {
			return err
		}
		return c.model.Do(ctx, session.Set{Name: name, On: true, Confirmed: true, For: after})
	case menu.Restart:
		return c.model.Do(ctx, session.Restart{Name: name})
	case menu.Stop:
		return c.model.Do(ctx, session.Set{Name: name})
	case menu.StopAll:
		return c.model.Do(ctx, session.StopAll{})
	case menu.SetAutoOff:
		after, err := time.ParseDuration(click.Argument)
		if err != nil {
			return err
		}
		return c.model.Do(ctx, session.AutoOff{Name: name, After: after})
	case menu.CopySOCKS5, menu.CopyHTTP, menu.CopyTLS, menu.CopyPAC, menu.CopySnippet, menu.CopyService, menu.CopyLogin, menu.CopyMessage, menu.CopyVersion:
		return c.copy(ctx, click)
	case menu.CopyURL:
		last, err := c.lastURL()
		if err != nil {
			return err
		}
		return c.copy(ctx, last)
	case menu.SetNamespace, menu.SetOutside, menu.SetProduction, menu.SetPassword, menu.SetNotify:
		return c.set(ctx, click)
	case menu.LoadServices, menu.CloseConnections, menu.LogIn:
		return c.callGateway(ctx, click)
	case menu.ConfirmEgress:
		c.deployments.confirm(name)
		c.redraw()
		return nil
	case menu.DeployEgress:
		c.inBackground(ctx, click, c.deployEgress)
		return nil
	case menu.AddForward, menu.RemoveForward:
		c.inBackground(ctx, click, c.forward)
		return nil
	case menu.OpenBrowser, menu.OpenService:
		c.inBackground(ctx, click, c.browse)
		return nil
	case menu.RunLogin, menu.Diagnose, menu.OpenTerminal:
		c.inBackground(ctx, click, c.runInTerminal)
		return nil
	case menu.SetAutostart:
		defer c.redraw()
		return desktop.SetAutostart(click.Argument == strconv.FormatBool(true), assets.Picture("on"))
	}
	c.inBackground(ctx, click, c.open)
	return nil
}

// inBackground carries out a click while the next ones are handled, and shows a notification if it failed. To know
// whether another program has started, it is watched for seconds.
func (c *Actions) inBackground(ctx context.Context, click menu.Click, do func(context.Context, menu.Click) error) {
	c.background.Go(func() {
		if err := do(ctx, click); err != nil && ctx.Err() == nil {
			c.notifier.Say(menu.Failure(menu.Item{Click: click}), err.Error())
		}
	})
}

// copy writes what a click names to the clipboard, and shows a notification with the text. If copying failed the text
// is shown, too, so that it can be typed; but a password is never shown.
func (c *Actions) copy(ctx context.Context, click menu.Click) error {
	text, said, secret, err := c.copied(click)
	if err != nil {
		return err
	}
	write := c.clipboard.WriteText
	if secret {
		write = c.clipboard.WriteSecret
	}
	if err := write(ctx, text); err != nil {
		c.notifier.Say("Not copied: "+said, err.Error())
		return nil
	}
	c.notifier.Copied(c.copiedTitle(click), said)
	return nil
}

// copied returns the text that a click copies, what to show of it, and whether it contains a password. Names come from
// clusters and kubeconfigs that others may control: pasted into a terminal, they must not end a line.
func (c *Actions) copied(click menu.Click) (text, said string, secret bool, err error) {
	switch click.Action {
	case menu.CopyService:
		text = strings.Map(addressOnly, click.Argument)
		return text, text, false, nil
	case menu.CopyLogin, menu.CopyMessage, menu.CopyVersion:
		text = safetext.Clean(click.Argument)
		return text, text, false, nil
	}
	proxy, err := c.ProxyOf(click.Context)
	if err != nil {
		return "", "", false, err
	}
	secret = proxy.Password != ""
	open := proxy
	open.User, open.Password = "", ""
	if proxy.TLS && (click.Action == menu.CopySOCKS5 || click.Action == menu.CopyHTTP || click.Action == menu.CopyPAC) {
		return "", "", false, instance.ErrTLSOnly(click.Context) // the menu is older than the setting
	}
	switch click.Action {
	case menu.CopySOCKS5:
		return proxy.URL("socks5h"), open.URL("socks5h"), secret, nil
	case menu.CopyHTTP:
		return proxy.URL("http"), open.URL("http"), secret, nil
	case menu.CopyTLS:
		return proxy.URL("https"), open.URL("https") + ", for clients with a certificate", secret, nil
	case menu.CopyPAC:
		url := "http://" + proxy.Address.String() + "/proxy.pac"
		return url, url, false, nil
	}
	made, err := snippet.Make(click.Argument, proxy)
	if made.Note == "" {
		made.Note = "It is ready to be pasted."
	}
	return made.Text, made.Note, secret, err
}

// addressOnly replaces characters that occur in no URL or address of a Service, because a hostile API server may name a
// Service like a shell command.
func addressOnly(r rune) rune {
	if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(".:/-_[]", r)) {
		return r
	}
	return unicode.ReplacementChar
}

// set saves a choice and updates the model.
func (c *Actions) set(ctx context.Context, click menu.Click) error {
	var err error
	switch click.Action {
	case menu.SetNamespace:
		err = c.Settings.SetNamespace(click.Context, click.Argument)
	case menu.SetOutside:
		err = c.Settings.SetOutside(click.Context, settings.Outside(click.Argument))
	case menu.SetProduction:
		err = c.Settings.SetProduction(click.Context, click.Argument == strconv.FormatBool(true))
	case menu.SetPassword:
		err = c.Settings.SetPassword(click.Context, click.Argument == strconv.FormatBool(true))
	case menu.SetNotify:
		kind, on, _ := strings.Cut(click.Argument, "=")
		err = c.Settings.SetNotifies(settings.Notification(kind), on == strconv.FormatBool(true))
		c.redraw()
	}
	if err != nil && !errors.As(err, new(*settings.DamagedError)) {
		return err
	}
	return c.UpdateModel(ctx, c.model)
}

// Opened loads what is in a cluster, unless it is known, when the submenu that shows it was opened. The menu says if
// that fails.
func (c *Actions) Opened(ctx context.Context, id string) {
	name, ok := menu.Opened(id)
	if !ok || c.catalogue.has(name) {
		return
	}
	if err := c.callGateway(ctx, menu.Click{Action: menu.LoadServices, Context: name}); err != nil {
		c.Log.Debug().Str("context", name).Err(err).Msg("services not loaded")
	}
}

var errNotOn = errors.New("the context is not on")

// callGateway applies a click to a running gateway.
func (c *Actions) callGateway(ctx context.Context, click menu.Click) error {
	proxy := c.Gateways.Running(click.Context)
	if proxy == nil {
		return errNotOn
	}
	switch click.Action {
	case menu.LoadServices:
		c.catalogue.load(ctx, click.Context, proxy.Cluster())
	case menu.CloseConnections:
		cut := proxy.CloseConnections()
		c.Log.Info().Str("context", click.Context).Int("connections", cut).Msg("connections closed")
	case menu.LogIn:
		proxy.Approve()
		cluster := proxy.Cluster()
		c.background.Go(func() { _ = cluster.LogIn(ctx) }) // the cluster reports the result to the model
	}
	return nil
}

// open opens a file or folder with another program.
func (c *Actions) open(ctx context.Context, click menu.Click) error {
	switch click.Action {
	case menu.OpenLog:
		return desktop.OpenFile(ctx, filepath.Join(c.Dir, logging.FileName))
	case menu.OpenLogFolder:
		return desktop.OpenFile(ctx, c.Dir)
	case menu.OpenKubeconfig:
		return desktop.OpenFile(ctx, click.Argument)
	case menu.OpenSettings:
		if _, err := settings.WriteExample(c.Settings.File()); err != nil {
			return err
		}
		return desktop.OpenFile(ctx, c.Settings.File())
	}
	return fmt.Errorf("%s is not known here", click.Action)
}
