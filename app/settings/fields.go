package settings

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gopkg.in/yaml.v3"

	"fairlead/proxy/safetext"
)

// values reads the values in one file, and collects the problems of those that cannot be used.
type values struct {
	file     string
	problems Problems
	secrets  bool // the current value may be a secret, including its keys
}

// problem adds a problem at the line of a node.
func (v *values) problem(node *yaml.Node, format string, args ...any) {
	v.problems = append(v.problems, Problem{v.file, node.Line, fmt.Sprintf(format, args...)})
}

// A field is a key that a mapping may have, with the function that reads its value.
type field struct {
	key string
	set func(value *yaml.Node)
}

// fields reads a mapping. An unknown key is a problem that suggests the key that may have been meant.
func (v *values) fields(node *yaml.Node, where string, known []field) {
	v.pairs(node, func(key, value *yaml.Node) {
		at := slices.IndexFunc(known, func(f field) bool { return f.key == key.Value })
		if at >= 0 {
			if value.Tag != "!!null" { // a key without a value counts as absent
				known[at].set(value)
			}
			return
		}
		in := ""
		if where != "" {
			in = " in " + where
		}
		if v.secrets {
			v.problem(key, "unknown key%s: %s", in, suggestion(key.Value, known))
			return
		}
		v.problem(key, "unknown key %q%s: %s", keyName(key.Value), in, suggestion(key.Value, known))
	})
}

// keyName returns a key in the form that a problem may repeat. It leaves out what follows a colon, because without a
// space after the colon the value is part of the key (password:secret), and may be a secret.
func keyName(key string) string {
	if name, _, found := strings.Cut(key, ":"); found {
		key = name + ":…"
	}
	return quotable(key)
}

// suggestion returns the known key that is nearest to an unknown one, or else all of them.
func suggestion(typed string, known []field) string {
	plain := func(s string) string {
		return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(s))
	}
	nearest, least := "", 3
	var keys []string
	for _, f := range known {
		keys = append(keys, f.key)
		if d := distance(plain(typed), plain(f.key)); d < least && d < len(plain(f.key)) {
			nearest, least = f.key, d
		}
	}
	if nearest != "" {
		return "did you mean " + nearest + "?"
	}
	return "there are " + strings.Join(keys, ", ")
}

// maxKey bounds the length of keys that distance compares, in bytes.
const maxKey = 64

// distance returns how many letters must be inserted, deleted or replaced to turn one word into another.
func distance(a, b string) int {
	if len(a) > maxKey || len(b) > maxKey {
		return maxKey
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// pairs calls do for each key of a mapping and its value.
func (v *values) pairs(node *yaml.Node, do func(key, value *yaml.Node)) {
	node = resolved(node)
	if node.Tag == "!!null" {
		return
	}
	if node.Kind != yaml.MappingNode {
		v.problem(node, "this must be keys with values, and is %s", kind(node))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := resolved(node.Content[i]), resolved(node.Content[i+1])
		if key.Kind != yaml.ScalarNode {
			v.problem(key, "a key must be a text, and is %s", kind(key))
			continue
		}
		if first, twice := seen[key.Value]; twice {
			name := keyName(key.Value)
			if v.secrets {
				name = "a key"
			}
			v.problem(key, "%s is here twice (the first is in line %d)", name, first)
			continue
		}
		seen[key.Value] = key.Line
		do(key, value)
	}
}

// list calls do for each item of a list.
func (v *values) list(node *yaml.Node, do func(item *yaml.Node)) {
	node = resolved(node)
	if node.Kind != yaml.SequenceNode {
		v.problem(node, "this must be a list, and is %s", kind(node))
		return
	}
	for _, item := range node.Content {
		do(resolved(item))
	}
}

// resolved returns the node that an alias stands for. YAML has no aliases of aliases.
func resolved(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func kind(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

// text returns a scalar as it is written.
func (v *values) text(node *yaml.Node) (string, bool) {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		v.problem(node, "this must be a text, and is %s", kind(node))
		return "", false
	}
	if node.Value == "" || strings.ContainsFunc(node.Value, unicode.IsControl) {
		v.problem(node, "this must be a text of one line, and is %q", quotable(node.Value))
		return "", false
	}
	return node.Value, true
}

func (v *values) oneOf(node *yaml.Node, words ...string) (string, bool) {
	text, ok := v.text(node)
	if ok && !slices.Contains(words, text) {
		v.problem(node, "%q is none of %s", quotable(text), strings.Join(words, ", "))
		return "", false
	}
	return text, ok
}

func (v *values) boolean(node *yaml.Node) *bool {
	text, ok := v.oneOf(node, "true", "false")
	if !ok {
		return nil
	}
	yes := text == "true"
	return &yes
}

// integer parses a number from 1 to most.
func (v *values) integer(node *yaml.Node, most int) *int {
	text, ok := v.text(node)
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		v.problem(node, "%q is not a number from 1 to %d", quotable(text), most)
		return nil
	}
	return &n
}

// address parses an address of this machine to listen on.
func (v *values) address(node *yaml.Node) *netip.Addr {
	text, ok := v.text(node)
	if !ok {
		return nil
	}
	if text == "localhost" {
		text = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.IsMulticast() {
		v.problem(node, "%q is not an IP address to listen on (the port is a key of its own)", quotable(text))
		return nil
	}
	addr = addr.Unmap()
	return &addr
}

var namespaceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// checkNamespace returns an error if name cannot be the name of a namespace.
func checkNamespace(name string) error {
	if !namespaceName.MatchString(name) {
		return fmt.Errorf("%q cannot be the name of a namespace", quotable(name))
	}
	return nil
}

func (v *values) namespace(node *yaml.Node) *string {
	text, ok := v.text(node)
	if !ok {
		return nil
	}
	if err := checkNamespace(text); err != nil {
		v.problem(node, "%s", err)
		return nil
	}
	return &text
}

var domainName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)

func (v *values) domain(node *yaml.Node) *string {
	text, ok := v.text(node)
	if !ok {
		return nil
	}
	if !domainName.MatchString(text) || len(text) > 253 {
		v.problem(node, "%q cannot be a domain", quotable(text))
		return nil
	}
	return &text
}

// namespaces parses a list of namespace names.
func (v *values) namespaces(node *yaml.Node) *[]string {
	names := []string{}
	v.list(node, func(n *yaml.Node) {
		if name := v.namespace(n); name != nil {
			names = append(names, *name)
		}
	})
	return &names
}

// userInURL matches the user and the password of a URL.
var userInURL = regexp.MustCompile(`://\S*@`)

// quotable returns text from a file in the form that a problem may repeat: one line, not too long, and without user and
// password of a URL.
func quotable(text string) string {
	const most = 60
	text = userInURL.ReplaceAllString(safetext.Clean(text), "://…@")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

func homeDir() (string, error) {
	dir, err := os.UserHomeDir()
	if err == nil && dir == "" {
		err = errors.New("no home directory")
	}
	return dir, err
}

// path parses the path of a file. ~ is the home directory, and relative paths are relative to config.yaml.
func (v *values) path(node *yaml.Node) (string, bool) {
	path, ok := v.text(node)
	if !ok {
		return "", false
	}
	if rest, home := strings.CutPrefix(path, "~/"); home {
		dir, err := homeDir()
		if err != nil {
			v.problem(node, "the home directory is not known: write the path in full")
			return "", false
		}
		return filepath.Join(dir, rest), true
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(v.file), path)
	}
	return path, true
}

func (v *values) duration(node *yaml.Node) *time.Duration {
	text, ok := v.text(node)
	if !ok {
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > 10*365*24*time.Hour {
		v.problem(node, "%q is not a time like 30s, 10m or 8h", quotable(text))
		return nil
	}
	return &d
}

func (v *values) prefixes(node *yaml.Node) *[]netip.Prefix {
	prefixes := []netip.Prefix{}
	v.list(node, func(n *yaml.Node) {
		text, ok := v.text(n)
		if !ok {
			return
		}
		prefix, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil && addr.Zone() == "" {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			v.problem(n, "%q is not a range of addresses like 10.0.0.0/8", quotable(text))
			return
		}
		prefixes = append(prefixes, prefix.Masked())
	})
	return &prefixes
}
