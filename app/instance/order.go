package instance

import (
	"context"
	"slices"

	"fairlead/app/session"
	"fairlead/app/settings"
)

// An OrderedModel is the model as commands use it. A command may name several contexts, which start at the same time.
// OrderedModel gives each context its port before the next one asks for one, so ports follow the order of the names.
type OrderedModel struct {
	*session.Manager
	settings *settings.Settings
}

// Ordered returns the OrderedModel of a model.
func (p *Instance) Ordered(model *session.Manager) OrderedModel {
	return OrderedModel{Manager: model, settings: p.Settings}
}

// Do implements the model's Do. When it switches a context on, it first reads and writes the state file.
func (m OrderedModel) Do(ctx context.Context, i session.Intent) error {
	if set, ok := i.(session.Set); ok && set.On && m.usable(set.Name) {
		_, _ = m.settings.Prepare(set.Name) // the start does this again, and reports errors
	}
	return m.Manager.Do(ctx, i)
}

// usable reports whether name is a context that can be switched on. No other is given a port.
func (m OrderedModel) usable(name string) bool {
	return slices.ContainsFunc(m.Snapshot().Contexts, func(s session.State) bool { return s.Name == name && s.Usable })
}
