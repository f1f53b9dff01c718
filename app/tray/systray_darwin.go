//go:build cgo

package tray

import (
	"fyne.io/systray"

	"fairlead/assets"
)

// menuBar is the library on macOS, where an open menu can be changed.
type menuBar struct{ library }

func newToolkit(_ desktop, on events, _ menuShown) (toolkit, error) {
	return newPainted(menuBar{}, on.clicked), nil
}

func (menuBar) Run(ready func())    { systray.Run(ready, nil) }
func (menuBar) Held() bool          { return false }
func (menuBar) Release()            {}
func (menuBar) Icon(name string)    { systray.SetTemplateIcon(assets.Template(name), assets.Icon(name)) }
func (menuBar) Tooltip(text string) { systray.SetTooltip(text) }
