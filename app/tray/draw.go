package tray

import (
	"slices"
	"sync"

	"fairlead/app/menu"
)

// painter is a tray library that draws item by item, and can only append: small enough to stand in for. Its methods are called by one
// goroutine at a time, and those from Icon on only after Run has called ready and before Quit.
type painter interface {
	// Run shows the icon until Quit. It calls ready once, in a goroutine of its own, and shows the menu when that has returned.
	Run(ready func())
	Quit()
	// Held says whether the menu is open and must not be changed now; Release closes one that is.
	Held() bool
	Release()
	Icon(name string)
	Tooltip(text string)
	// Reset removes all items, and closes their channels.
	Reset()
	// Add appends an item, shown, and without its submenu. A nil parent is the menu itself. A separator has neither handle nor clicks.
	Add(parent handle, item menu.Item) (handle, <-chan struct{})
	// Update changes an item that looks like from into one that looks like to.
	Update(h handle, from, to menu.Item)
}

// handle is a painter's own name for an item.
type handle any

// painted is the toolkit made of a painter.
type painted struct {
	painter
	canvas *canvas
}

func newPainted(p painter, clicked func(id string)) *painted {
	return &painted{p, &canvas{painter: p, clicked: clicked}}
}

// Show draws, and Quit clears what was drawn before it ends Run.
func (p *painted) Show(d drawing) { p.canvas.draw(d.items, d.icon, d.tooltip) }

func (p *painted) Quit() {
	p.painter.Release()
	p.canvas.clear()
	p.painter.Quit()
}

// canvas remembers what the painter shows, to change only what differs.
type canvas struct {
	painter painter
	clicked func(id string)

	drawn     bool
	icon      string
	tooltip   string
	nodes     []*node
	listeners sync.WaitGroup // goroutines that listen for clicks
}

// node is an item as it is drawn.
type node struct {
	item     menu.Item // without Items; of one that is hidden, all but Hidden is as it was when last shown
	handle   handle
	children []*node
}

// draw shows a menu. If it has the shape of the one before, items are changed in place, which leaves an open menu open. Otherwise all
// of it is drawn anew: painters can only append.
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

// clear removes the menu, and waits for those who listen for clicks.
func (c *canvas) clear() {
	if c.drawn {
		c.reset()
	}
}

// reset forgets all handles: using one after its item was removed would bring the item back.
func (c *canvas) reset() {
	c.painter.Reset()
	c.nodes = nil
	c.listeners.Wait()
}

func (c *canvas) add(parent handle, items []menu.Item) []*node {
	var nodes []*node
	for _, item := range items {
		h, clicks := c.painter.Add(parent, item)
		n := &node{item: alone(item), handle: h}
		if !item.Hidden {
			n.children = c.add(h, item.Items)
		}
		if clicks != nil && len(item.Items) == 0 {
			c.listeners.Go(func() {
				for range clicks {
					c.clicked(item.ID)
				}
			})
		}
		if item.Hidden {
			shown := n.item
			shown.Hidden = false
			c.painter.Update(h, shown, n.item)
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func (c *canvas) patch(nodes []*node, items []menu.Item) {
	for i, to := range items {
		n := nodes[i]
		if to.Hidden {
			// What nobody sees is not worth a signal to the panel, and some desktops would show it again.
			if !n.item.Hidden {
				hidden := n.item
				hidden.Hidden = true
				c.painter.Update(n.handle, n.item, hidden)
				n.item = hidden
			}
			continue
		}
		if !sameLook(n.item, to) {
			c.painter.Update(n.handle, n.item, alone(to))
			n.item = alone(to)
		}
		if len(n.children) == 0 {
			n.children = c.add(n.handle, to.Items)
		} else {
			c.patch(n.children, to.Items)
		}
	}
}

// sameShape reports whether items differ from what is drawn only in what can be changed in place. A submenu is drawn when its item is
// first shown, and stays while the item is hidden.
func sameShape(nodes []*node, items []menu.Item) bool {
	return slices.EqualFunc(nodes, items, func(n *node, item menu.Item) bool {
		return n.item.ID == item.ID && n.item.Checkable == item.Checkable && n.item.Separator == item.Separator &&
			(item.Hidden || len(n.children) == 0 || sameShape(n.children, item.Items))
	})
}

func sameLook(a, b menu.Item) bool {
	return a.Title == b.Title && a.Tooltip == b.Tooltip && a.Checked == b.Checked && a.Disabled == b.Disabled && a.Hidden == b.Hidden
}

func alone(item menu.Item) menu.Item {
	item.Items = nil
	return item
}
