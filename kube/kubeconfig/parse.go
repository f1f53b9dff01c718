package kubeconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	yamlnode "gopkg.in/yaml.v3"
	"k8s.io/apimachinery/pkg/runtime"
	serializerjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/versioning"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/tools/clientcmd/api/latest"
	"sigs.k8s.io/yaml"

	"fairlead/proxy/safetext"
)

// A parsed is the content of one kubeconfig file, and the errors in it.
type parsed struct {
	config   *clientcmdapi.Config
	contexts []contextEntry     // in the file's order
	broken   map[entryKey]error // with the line
	errs     []error            // about the file itself; with the line if it is known
}

// parseKubeconfig parses a kubeconfig as client-go does. If client-go would reject the whole file, the entries are
// parsed one by one, so that one broken entry hides no other. Errors never repeat the file's content, other than names
// of entries: client-go's own, and those of YAML libraries, can hold tokens and keys.
func parseKubeconfig(data []byte) parsed {
	if text, err := yaml.YAMLToJSON(data); err == nil {
		if config, err := decodeJSON(text); err == nil {
			return parsed{config: config, contexts: contextOrder(text, config)}
		}
	}
	p := parsed{config: clientcmdapi.NewConfig(), broken: map[entryKey]error{}}
	var document yamlnode.Node
	if err := yamlnode.Unmarshal(data, &document); err != nil {
		p.errs = []error{syntaxError(err, data)}
		return p
	}
	if len(document.Content) == 0 || document.Content[0].Kind != yamlnode.MappingNode {
		p.errs = []error{errors.New("not a kubeconfig: no fields at the top")}
		return p
	}
	p.salvage(document.Content[0])
	if len(p.errs) == 0 && len(p.broken) == 0 && !p.hasBrokenContext() {
		p.errs = []error{errors.New("not a kubeconfig that kubectl understands")}
	}
	return p
}

// jsonCodec is client-go's for kubeconfigs, except that it reads JSON and no YAML, which is many times as fast for one
// entry.
var jsonCodec = func() runtime.Codec {
	serializer := serializerjson.NewSerializerWithOptions(serializerjson.DefaultMetaFactory, latest.Scheme, latest.Scheme, serializerjson.SerializerOptions{})
	return versioning.NewDefaultingCodecForScheme(latest.Scheme, serializer, serializer, latest.ExternalVersion, runtime.InternalGroupVersioner)
}()

// decodeJSON does what clientcmd.Load does after it has converted a file's YAML to JSON.
func decodeJSON(text []byte) (*clientcmdapi.Config, error) {
	kind := latest.ExternalVersion.WithKind("Config")
	decoded, _, err := jsonCodec.Decode(text, &kind, clientcmdapi.NewConfig())
	if err != nil {
		return nil, err
	}
	config, ok := decoded.(*clientcmdapi.Config)
	if !ok {
		return nil, errors.New("not a kubeconfig")
	}
	return config, nil
}

// contextOrder returns the contexts in the order in which they are written, which client-go's maps lose.
func contextOrder(text []byte, config *clientcmdapi.Config) []contextEntry {
	var file struct {
		Contexts []struct {
			Name string `json:"name"`
		} `json:"contexts"`
	}
	var entries []contextEntry
	if err := json.Unmarshal(text, &file); err == nil {
		for _, c := range file.Contexts {
			entries = append(entries, contextEntry{name: c.Name})
		}
	}
	known := func(entry contextEntry) bool { return config.Contexts[entry.name] != nil }
	if len(entries) == len(config.Contexts) && !slices.ContainsFunc(entries, func(e contextEntry) bool { return !known(e) }) {
		return entries
	}
	// This package reads names of fields in any case, and client-go does not.
	entries = nil
	for _, name := range slices.Sorted(maps.Keys(config.Contexts)) {
		entries = append(entries, contextEntry{name: name})
	}
	return entries
}

// salvage adds every entry of a file's lists that can be parsed by itself.
func (p *parsed) salvage(root *yamlnode.Node) {
	for _, want := range [][2]string{{"apiVersion", "v1"}, {"kind", "Config"}} {
		if node := mappingValue(root, want[0]); node != nil && node.Value != "" && node.Value != want[1] {
			p.errs = append(p.errs, fmt.Errorf("line %d: not a kubeconfig: its %s is not %q", node.Line, want[0], want[1]))
			return
		}
	}
	if node := mappingValue(root, "current-context"); node != nil && node.Kind == yamlnode.ScalarNode {
		p.config.CurrentContext = node.Value
	}
	for _, list := range []string{"clusters", "users", "contexts"} {
		node := mappingValue(root, list)
		switch {
		case node == nil || node.Tag == "!!null":
		case node.Kind != yamlnode.SequenceNode:
			p.errs = append(p.errs, fmt.Errorf("line %d: %q is not a list", node.Line, list))
		default:
			seen := map[string]bool{}
			for _, item := range node.Content {
				p.addEntry(list, item, seen)
			}
		}
	}
}

// addEntry adds one item of a list, or records why it cannot be parsed.
func (p *parsed) addEntry(list string, item *yamlnode.Node, seen map[string]bool) {
	node := mappingValue(item, "name")
	if node == nil || node.Kind != yamlnode.ScalarNode || node.Value == "" {
		p.errs = append(p.errs, fmt.Errorf("line %d: a %s without a name", item.Line, singular(list)))
		return
	}
	name := node.Value
	if seen[name] {
		p.errs = append(p.errs, fmt.Errorf("line %d: a second %s %q; the first one counts", item.Line, singular(list), safetext.Clean(name)))
		return
	}
	seen[name] = true
	config, err := decodeEntry(list, item)
	if err != nil {
		err = fmt.Errorf("line %d: %w", item.Line, err)
	}
	switch {
	case list == "contexts":
		p.contexts = append(p.contexts, contextEntry{name: name, err: err})
	case err != nil:
		p.broken[entryKey{list, name}] = err
	}
	if err != nil {
		return
	}
	for name, cluster := range config.Clusters {
		p.config.Clusters[name] = cluster
	}
	for name, user := range config.AuthInfos {
		p.config.AuthInfos[name] = user
	}
	for name, context := range config.Contexts {
		p.config.Contexts[name] = context
	}
}

func singular(list string) string { return strings.TrimSuffix(list, "s") }

// decodeEntry parses one item as if it were alone in its file.
func decodeEntry(list string, item *yamlnode.Node) (*clientcmdapi.Config, error) {
	var value any
	if err := item.Decode(&value); err != nil {
		return nil, errors.New("cannot be understood")
	}
	data, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Config", list: []any{value}})
	if err != nil {
		return nil, errors.New("cannot be understood")
	}
	config, err := decodeJSON(data)
	if err != nil {
		return nil, fieldError(err)
	}
	return config, nil
}

func (p *parsed) hasBrokenContext() bool {
	for _, entry := range p.contexts {
		if entry.err != nil {
			return true
		}
	}
	return false
}

// mappingValue returns the value of a mapping's key; nil if there is none.
func mappingValue(mapping *yamlnode.Node, key string) *yamlnode.Node {
	if mapping.Kind == yamlnode.AliasNode {
		mapping = mapping.Alias
	}
	if mapping.Kind != yamlnode.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// The parts of a library's error that hold no value from the file: a place, a type's name, a field's name.
var (
	errorLine  = regexp.MustCompile(`line (\d+)`)
	errorField = regexp.MustCompile(`cannot unmarshal (?:a |an )?([a-z]+) .*into Go struct field ([A-Za-z0-9]+\.)?([A-Za-z.-]+) of type`)
)

// syntaxError returns the kind of a YAML error, and finds its line.
func syntaxError(err error, data []byte) error {
	line := 1 // the library names none for the first
	if found := errorLine.FindStringSubmatch(err.Error()); found != nil {
		line, _ = strconv.Atoi(found[1])
	}
	line = firstBadLine(data, line)
	reason := "not valid YAML"
	// These are constants of the library; its other errors can quote the file.
	for _, known := range []string{
		"found character that cannot start any token", "could not find expected ':'", "did not find expected key",
		"did not find expected node content", "did not find expected '-' indicator", "mapping values are not allowed in this context",
		"did not find expected ',' or ']'", "did not find expected ',' or '}'", "found unexpected end of stream",
		"found a tab character that violates indentation", "control characters are not allowed", "block sequence entries are not allowed in this context",
	} {
		if strings.Contains(err.Error(), known) {
			reason += ": " + known
		}
	}
	return fmt.Errorf("line %d: %s", line, reason)
}

// maxSearched limits the files that firstBadLine searches, in bytes.
const maxSearched = 1 << 20

// firstBadLine returns the line after the lines that are valid YAML without it. The library names the line on which the
// enclosing list or mapping begins, which can be the file's first one; begin is that line.
func firstBadLine(data []byte, begin int) int {
	if len(data) > maxSearched {
		return begin
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	length := make([]int, len(lines)+1)
	for i, line := range lines {
		length[i+1] = length[i] + len(line)
	}
	from := min(max(begin-1, 0), len(lines)-1)
	// What is before the enclosing list is valid, so this finds an end of validity, if not always the only one.
	n := sort.Search(len(lines)-from, func(i int) bool {
		var document yamlnode.Node
		return yamlnode.Unmarshal(data[:length[from+i+1]], &document) != nil
	})
	return min(from+n+1, len(lines))
}

// fieldError returns the field's name of a decoder's error.
func fieldError(err error) error {
	text := err.Error()
	if found := errorField.FindStringSubmatch(text); found != nil {
		return fmt.Errorf("its field %s cannot be %s", found[3], found[1])
	}
	if strings.Contains(text, "illegal base64 data") {
		return errors.New("one of its fields is not base64")
	}
	return errors.New("cannot be understood")
}
