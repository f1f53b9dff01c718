package actions

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"fairlead/app/instance"
	"fairlead/app/menu"
	"fairlead/app/settings"
)

// forward makes or removes a fixed local port. If the port is taken, the error says by what, and the menu offers another one
// from then on.
func (c *Actions) forward(ctx context.Context, click menu.Click) error {
	if click.Action == menu.RemoveForward {
		at, err := netip.ParseAddrPort(click.Argument)
		if err != nil {
			return err
		}
		return c.RemoveForward(ctx, c.model, click.Context, at)
	}
	var listen, to, protocol string
	if _, err := fmt.Sscan(click.Argument, &listen, &to, &protocol); err != nil {
		return err
	}
	at, err := netip.ParseAddrPort(listen)
	if err != nil {
		return err
	}
	err = c.AddForward(ctx, c.model, click.Context, settings.Endpoint{Address: at, To: to, Protocol: settings.Protocol(protocol)})
	if taken, ok := errors.AsType[*instance.TakenError](err); ok {
		c.catalogue.addTaken(click.Context, taken.Address.Port())
	}
	return err
}
