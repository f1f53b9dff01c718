package tray

import (
	"context"

	"fairlead/app/menu"
)

// events are what a toolkit reports. The functions may be called by any goroutine, and do not block, because toolkits
// drop clicks that no goroutine waits for.
type events struct {
	// clicked receives a click, with the item as it was shown, whatever the menu has become since.
	clicked func(menu.Item)
	// opened receives an item whose submenu was opened.
	opened func(menu.Item)
	// middleClicked receives a middle click on the icon, and reports whether it requests anything.
	middleClicked func() bool
}

// menuShown is Config.MenuShown.
type menuShown func(context.Context) (shown, known bool)

// event is an item that was clicked, or whose submenu was opened.
type event struct {
	item   menu.Item
	opened bool
}

// clicked carries out Quit at once: it does not wait for earlier clicks, and cancels them.
func (t *tray) clicked(item menu.Item) {
	if item.Click.Action == menu.Quit {
		t.quit()
		return
	}
	t.enqueue(event{item: item})
}

func (t *tray) middleClicked() bool {
	click := t.config.MiddleClick()
	if click == (menu.Click{}) {
		return false
	}
	t.clicked(menu.Item{ID: "middle-click", Title: "middle click", Click: click})
	return true
}

func (t *tray) opened(item menu.Item) { t.enqueue(event{item, true}) }

func (t *tray) enqueue(e event) {
	select {
	case t.events <- e:
	default:
		t.config.Log.Warn().Str("item", e.item.ID).Msg("too many clicks, one dropped")
	}
}

// act carries out events, one after another, until ctx is cancelled.
func (t *tray) act(ctx context.Context) {
	for {
		select {
		case e := <-t.events:
			if e.opened {
				t.config.Opened(ctx, e.item.ID)
			} else {
				t.click(ctx, e.item)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (t *tray) click(ctx context.Context, item menu.Item) {
	if item.Click == (menu.Click{}) || item.Disabled {
		t.config.Log.Debug().Str("item", item.ID).Msg("click on an item that cannot be clicked")
		return
	}
	if err := t.config.Act(ctx, item.Click); err != nil && ctx.Err() == nil {
		t.config.Say(menu.Failure(item), err.Error())
	}
}
