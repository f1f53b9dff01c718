package actions

import (
	"context"
	"slices"

	"fairlead/app/desktop"
	"fairlead/app/instance"
	"fairlead/app/menu"
)

// browse opens a browser window inside a context's cluster, at a page of a Service or at the proxy's own page, which
// shows where the browser is.
func (c *Actions) browse(ctx context.Context, click menu.Click) error {
	browsers := desktop.FindBrowsers(c.Settings.Config().Browser)
	at := slices.IndexFunc(browsers, func(b desktop.Browser) bool { return b.ID == click.Argument })
	page := ""
	if click.Action == menu.OpenService {
		at, page = 0, click.Argument
	}
	if at < 0 || at >= len(browsers) {
		return instance.ErrNoBrowser
	}
	return c.OpenBrowser(ctx, c.Windows, browsers[at], click.Context, page)
}
