package kubeconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	yamlnode "gopkg.in/yaml.v3"
	"k8s.io/client-go/tools/clientcmd"

	"fairlead/app/ownfile"
)

// A ProviderEntry is the auth-provider of a user entry, whose tokens are renewed. It is the AuthConfigPersister of the
// configurations that RESTConfig returns.
type ProviderEntry struct{ file, user string }

func (m *merged) providerEntry(user string) *ProviderEntry {
	return &ProviderEntry{file: m.config.AuthInfos[user].LocationOfOrigin, user: user}
}

// Name returns a string that identifies the entry.
func (p *ProviderEntry) Name() string { return fmt.Sprintf("%q %q", p.file, p.user) }

// errNoEntry means that the kubeconfig no longer has the entry, or has it in another form.
var errNoEntry = errors.New("the user's auth-provider is no longer in the kubeconfig")

// Load returns the provider's current settings in the file.
func (p *ProviderEntry) Load() (map[string]string, error) {
	data, err := ReadBounded(p.file)
	if err != nil {
		return nil, err
	}
	return p.settings(parseKubeconfig(data))
}

// settings returns the provider's settings in a file.
func (p *ProviderEntry) settings(file parsed) (map[string]string, error) {
	user := file.config.AuthInfos[p.user]
	if user == nil || user.AuthProvider == nil {
		return nil, errNoEntry
	}
	return user.AuthProvider.Config, nil
}

// Persist changes the provider's settings to those of config. client-go calls it.
func (p *ProviderEntry) Persist(config map[string]string) error { return p.Save(config) }

// How long Save waits for the lock of another program, and how often it tries.
const (
	lockTimeout  = time.Second
	lockInterval = 50 * time.Millisecond
)

// Save changes settings of the provider in the file, and nothing else in it: comments stay, and so does what other
// programs have changed meanwhile. It takes kubectl's lock, and replaces the file by another one, so that no reader
// sees half of it. Its errors contain nothing from the file.
func (p *ProviderEntry) Save(changes map[string]string) error {
	unlock, err := lock(p.file)
	if err != nil {
		return err
	}
	defer unlock()
	data, err := ReadBounded(p.file)
	if err != nil {
		return err
	}
	changed, err := p.change(data, changes)
	if err != nil || bytes.Equal(changed, data) {
		return err
	}
	return replaceFile(p.file, changed)
}

// lock takes the lock file that kubectl takes.
func lock(file string) (unlock func(), err error) {
	name := file + ".lock"
	for end := time.Now().Add(lockTimeout); ; time.Sleep(lockInterval) {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0)
		if err == nil {
			_ = f.Close()
			return func() { _ = os.Remove(name) }, nil
		}
		if !errors.Is(err, fs.ErrExist) || time.Now().After(end) {
			return nil, fmt.Errorf("it cannot be locked with %s: %w", filepath.Base(name), withoutPath(err))
		}
	}
}

// change returns a kubeconfig with changes made to the provider's settings.
func (p *ProviderEntry) change(data []byte, changes map[string]string) ([]byte, error) {
	wanted := parseKubeconfig(data)
	settings, err := p.settings(wanted)
	if err != nil {
		return nil, err
	}
	settings = maps.Clone(settings)
	if settings == nil {
		settings = map[string]string{}
	}
	maps.Copy(settings, changes)
	if reflect.DeepEqual(settings, wanted.config.AuthInfos[p.user].AuthProvider.Config) {
		return data, nil
	}
	wanted.config.AuthInfos[p.user].AuthProvider.Config = settings
	if changed, err := p.changeNode(data, changes); err == nil && hasContent(changed, wanted) {
		return changed, nil
	}
	// The YAML library that changes nodes reads this file otherwise than kubectl's: write all of it, as kubectl does.
	if len(wanted.broken) > 0 || len(wanted.errs) > 0 {
		return nil, errors.New("it has entries that cannot be read, and that would be lost")
	}
	changed, err := clientcmd.Write(*wanted.config)
	if err != nil || !hasContent(changed, wanted) {
		return nil, errors.New("it cannot be written")
	}
	return changed, nil
}

// hasContent reports whether a kubeconfig has the wanted content.
func hasContent(data []byte, wanted parsed) bool {
	got := parseKubeconfig(data)
	return reflect.DeepEqual(got.config, wanted.config) && len(got.broken) == len(wanted.broken) && len(got.errs) == len(wanted.errs)
}

// changeNode is like change, but keeps comments, order and style.
func (p *ProviderEntry) changeNode(data []byte, changes map[string]string) ([]byte, error) {
	var document yamlnode.Node
	if err := yamlnode.Unmarshal(data, &document); err != nil || len(document.Content) == 0 {
		return nil, errNoEntry
	}
	settings := p.settingsNode(document.Content[0])
	if settings == nil {
		return nil, errNoEntry
	}
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		value := &yamlnode.Node{Kind: yamlnode.ScalarNode, Tag: "!!str", Value: changes[key]}
		if settings.Style&yamlnode.FlowStyle != 0 {
			value.Style = yamlnode.DoubleQuotedStyle // JSON stays JSON
		}
		if old := mappingValue(settings, key); old != nil {
			old.Kind, old.Tag, old.Value, old.Style, old.Alias, old.Content = value.Kind, value.Tag, value.Value, value.Style, nil, nil
			continue
		}
		name := &yamlnode.Node{Kind: yamlnode.ScalarNode, Tag: "!!str", Value: key, Style: value.Style}
		settings.Content = append(settings.Content, name, value)
	}
	var out bytes.Buffer
	encoder := yamlnode.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(&document), encoder.Close()); err != nil {
		return nil, errNoEntry
	}
	return out.Bytes(), nil
}

// settingsNode returns the mapping that holds the provider's settings, or nil.
func (p *ProviderEntry) settingsNode(root *yamlnode.Node) *yamlnode.Node {
	users := mappingValue(root, "users")
	if users == nil {
		return nil
	}
	for _, item := range users.Content {
		if name := mappingValue(item, "name"); name == nil || name.Value != p.user {
			continue
		}
		node := item
		for _, key := range []string{"user", "auth-provider", "config"} {
			if node = mappingValue(node, key); node == nil {
				return nil
			}
		}
		if node.Kind == yamlnode.MappingNode {
			return node
		}
	}
	return nil
}

// replaceFile replaces a file's content at once. A symbolic link stays, and leads to the new file. If the old file
// cannot be replaced, or the new one would belong to another user, the old one is overwritten, as kubectl does.
func replaceFile(file string, data []byte) error {
	target, err := filepath.EvalSymlinks(file)
	if err != nil {
		return withoutPath(err)
	}
	info, err := os.Stat(target)
	if err != nil {
		return withoutPath(err)
	}
	if ownfile.Owner(info) == os.Geteuid() {
		if err := renameOver(target, data); err == nil {
			return nil
		}
	}
	f, err := os.OpenFile(target, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return withoutPath(err)
	}
	_, err = f.Write(data)
	return withoutPath(errors.Join(err, f.Close()))
}

// renameOver writes a new file, for its owner alone, and renames it to file.
func renameOver(file string, data []byte) error {
	fresh, err := os.CreateTemp(filepath.Dir(file), ".fairlead-*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = fresh.Write(data)
	err = errors.Join(err, fresh.Sync(), fresh.Close())
	if err == nil {
		err = os.Rename(fresh.Name(), file)
	}
	if err != nil {
		_ = os.Remove(fresh.Name())
	}
	return err
}
