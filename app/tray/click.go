package tray

import (
	"context"

	"fairlead/app/menu"
	"fairlead/app/session"
)

// act does what clicks ask for, one after another, until ctx is cancelled.
func (t *tray) act(ctx context.Context) {
	for {
		select {
		case id := <-t.clicks:
			t.click(ctx, id)
		case <-ctx.Done():
			return
		}
	}
}

func (t *tray) click(ctx context.Context, id string) {
	shown := t.showing.Load()
	if _, ok := menu.Find(shown.items, id); !ok {
		t.config.Log.Debug().Str("item", id).Msg("click on what is not there any more")
		return
	}
	action, name, _ := menu.Parse(id)
	switch action {
	case menu.Toggle:
		t.do(ctx, session.Toggle{Name: name})
	case menu.Stop:
		t.do(ctx, session.Set{Name: name, On: false})
	case menu.StopAll:
		t.do(ctx, session.StopAll{})
	case menu.CopySOCKS5, menu.CopyHTTP:
		url := menu.SOCKS5URL
		if action == menu.CopyHTTP {
			url = menu.HTTPURL
		}
		if c, ok := menu.Context(shown.snapshot, name); ok {
			t.copy(url(c))
		}
	case menu.OpenLog:
		if err := t.config.OpenLog(); err != nil {
			t.config.Say("The log could not be opened", err.Error())
		}
	case menu.Quit:
		t.quit()
	}
}

func (t *tray) do(ctx context.Context, i session.Intent) {
	if err := t.config.Model.Do(ctx, i); err != nil && ctx.Err() == nil {
		t.config.Log.Warn().Err(err).Msg("click refused")
	}
}

// copy says the text when it cannot be copied, so that it can be typed.
func (t *tray) copy(text string) {
	if err := t.config.Copy(text); err != nil {
		t.config.Say("Not copied: "+text, err.Error())
		return
	}
	t.config.Say("Copied", text)
}
