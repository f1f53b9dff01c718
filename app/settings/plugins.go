package settings

// maxPlugins bounds how many approved credential plugins are saved.
const maxPlugins = 1000

// Approved reports whether the user has approved a credential plugin, given by a hash of its command. It does not read
// the file.
func (l learned) Approved(plugin string) bool { return l.store.known().Plugins[plugin] }

// Approve saves that the user has approved a credential plugin.
func (l learned) Approve(plugin string) error {
	if plugin == "" || l.Approved(plugin) {
		return nil
	}
	return l.store.update(func(now *state) error {
		if len(now.Plugins) >= maxPlugins {
			clear(now.Plugins)
		}
		now.Plugins[plugin] = true
		return nil
	})
}
