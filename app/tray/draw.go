package tray

import (
	"slices"
	"sync"
	"sync/atomic"

	"fairlead/app/menu"
)

// painter is a tray library that draws item by item, and can only append. It is small enough to replace in tests. Its
// methods are called by one goroutine at a time, and those from Icon on only after Run has called ready and before
// Quit.
type painter interface {
	// Run shows the icon until Quit. It calls ready once, in a new goroutine, and shows the menu when ready has
	// returned.
	Run(ready func())
	Quit()
	// Held reports whether the menu is open and must not be changed now. Release closes an open menu.
	Held() bool
	Release()
	Icon(name string)
	Tooltip(text string)
	// Reset removes all items, and closes their channels.
	Reset()
	// Add appends an item, shown, without its submenu. A nil parent stands for the menu itself. A separator has no
	// handle and no clicks.
	Add(parent handle, item menu.Item) (handle, <-chan struct{})
	// Update changes an item that was drawn as from so that it looks like to.
	Update(h handle, from, to menu.Item)
}

// handle is a painter's reference to an item.
type handle any

// painted is a toolkit made from a painter.
type painted struct {
	painter
	canvas *canvas
}

func newPainted(p painter, clicked func(menu.Item)) *painted {
	return &painted{p, &canvas{painter: p, clicked: clicked}}
}

// Opens returns false: the library knows only clicks.
func (p *painted) Opens() bool { return false }

// Show draws. Quit removes what was drawn before it ends Run.
func (p *painted) Show(d drawing) { p.canvas.draw(d.items, d.icon, d.tooltip) }

func (p *painted) Quit() {
	p.painter.Release()
	p.canvas.clear()
	p.painter.Quit()
}

// canvas keeps what the painter shows, in order to change only what differs.
type canvas struct {
	painter painter
	clicked func(menu.Item)

	drawn     bool
	icon      string
	tooltip   string
	nodes     []*node
	listeners sync.WaitGroup // goroutines that receive clicks
}

// node is a drawn item.
type node struct {
	item     menu.Item // without Items
	handle   handle
	children []*node
	shown    atomic.Pointer[menu.Item] // item, for the goroutine that receives its clicks
}

// set records how an item is drawn now.
func (n *node) set(item menu.Item) {
	n.item = item
	n.shown.Store(&item)
}

// draw shows a menu. If its shape is the same as before, items are changed in place, which leaves an open menu open.
// Otherwise everything is drawn again, because painters can only append.
func (c *canvas) draw(items []menu.Item, icon, tooltip string) {
	if !c.drawn || icon != c.icon {
		c.painter.Icon(icon)
	}
	if !c.drawn || tooltip != c.tooltip {
		c.painter.Tooltip(tooltip)
	}
	if c.drawn && sameShape(c.nodes, items) {
		c.patch(c.nodes, items)
	} else {
		if c.drawn {
			c.reset()
		}
		c.nodes = c.add(nil, items)
	}
	c.drawn, c.icon, c.tooltip = true, icon, tooltip
}

// clear removes the menu, and waits for the goroutines that receive clicks.
func (c *canvas) clear() {
	if c.drawn {
		c.reset()
	}
}

// reset discards all handles, because using one after its item was removed would bring the item back.
func (c *canvas) reset() {
	c.painter.Reset()
	c.nodes = nil
	c.listeners.Wait()
}

func (c *canvas) add(parent handle, items []menu.Item) []*node {
	var nodes []*node
	for _, item := range items {
		h, clicks := c.painter.Add(parent, item)
		n := &node{handle: h}
		n.set(withoutItems(item))
		n.children = c.add(h, item.Items)
		if clicks != nil && len(item.Items) == 0 {
			c.listeners.Go(func() {
				for range clicks {
					c.clicked(*n.shown.Load())
				}
			})
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func (c *canvas) patch(nodes []*node, items []menu.Item) {
	for i, to := range items {
		n := nodes[i]
		if !sameLook(n.item, to) {
			c.painter.Update(n.handle, n.item, withoutItems(to))
		}
		n.set(withoutItems(to))
		c.patch(n.children, to.Items)
	}
}

// sameShape reports whether items differ from what is drawn only in what can be changed in place.
func sameShape(nodes []*node, items []menu.Item) bool {
	return slices.EqualFunc(nodes, items, func(n *node, item menu.Item) bool {
		return n.item.ID == item.ID && n.item.Checkable == item.Checkable && n.item.Separator == item.Separator &&
			sameShape(n.children, item.Items)
	})
}

func sameLook(a, b menu.Item) bool {
	return a.Title == b.Title && a.Tooltip == b.Tooltip && a.Checked == b.Checked && a.Icon == b.Icon && a.Disabled == b.Disabled
}

func withoutItems(item menu.Item) menu.Item {
	item.Items = nil
	return item
}
