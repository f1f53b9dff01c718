package instance

import (
	"context"
	"slices"

	"fairlead/app/session"
	"fairlead/app/settings"
)

// An OrderedModel is the model as commands use it, which name several contexts at once. The contexts start at the same
// time, so a context without a port is given its port before the next one may ask for one: ports follow the order of the
// names.
type OrderedModel struct {
	*session.Manager
	settings *settings.Settings
}

// Ordered returns the model as commands use it.
func (p *Instance) Ordered(model *session.Manager) OrderedModel {
	return OrderedModel{Manager: model, settings: p.Settings}
}

// Do is the Manager's. It reads and writes the state file first when it switches a context on.
func (m OrderedModel) Do(ctx context.Context, i session.Intent) error {
	if set, ok := i.(session.Set); ok && set.On && m.usable(set.Name) {
		_, _ = m.settings.Prepare(set.Name) // the start does the same, and reports what is wrong
	}
	return m.Manager.Do(ctx, i)
}

// usable reports whether name is a context that can be switched on: nothing else is given a port.
func (m OrderedModel) usable(name string) bool {
	return slices.ContainsFunc(m.Snapshot().Contexts, func(s session.State) bool { return s.Name == name && s.Usable })
}
