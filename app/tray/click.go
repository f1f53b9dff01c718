package tray

import (
	"context"

	"fairlead/app/menu"
)

// act carries out clicks, one after another, until ctx is cancelled.
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
	item, ok := menu.Find(*t.showing.Load(), id)
	switch {
	case !ok:
		t.config.Log.Debug().Str("item", id).Msg("click on an item that is gone")
	default:
		if err := t.config.Act(ctx, item.Click); err != nil && ctx.Err() == nil {
			t.config.Say(menu.Failure(item), err.Error())
		}
	}
}
