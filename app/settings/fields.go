package settings

import (
	"errors"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"fairlead/proxy/safetext"
)

// A field is a key that a mapping may have, with the function that reads its value.
type field struct {
	key string
	set func(value *yaml.Node)
}

// fields reads a mapping. An unknown key is a problem that suggests the key that may have been meant.
func (p *parser) fields(node *yaml.Node, where string, known []field) {
	p.pairs(node, func(key, value *yaml.Node) {
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
		if p.secrets {
			p.problem(key, "unknown key%s: %s", in, suggestion(key.Value, known))
			return
		}
		p.problem(key, "unknown key %q%s: %s", keyName(key.Value), in, suggestion(key.Value, known))
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
func (p *parser) pairs(node *yaml.Node, do func(key, value *yaml.Node)) {
	node = resolved(node)
	if node.Tag == "!!null" {
		return
	}
	if node.Kind != yaml.MappingNode {
		p.problem(node, "this must be keys with values, and is %s", kind(node))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := resolved(node.Content[i]), resolved(node.Content[i+1])
		if key.Kind != yaml.ScalarNode {
			p.problem(key, "a key must be a text, and is %s", kind(key))
			continue
		}
		if first, twice := seen[key.Value]; twice {
			name := keyName(key.Value)
			if p.secrets {
				name = "a key"
			}
			p.problem(key, "%s is here twice (the first is in line %d)", name, first)
			continue
		}
		seen[key.Value] = key.Line
		do(key, value)
	}
}

// list calls do for each item of a list.
func (p *parser) list(node *yaml.Node, do func(item *yaml.Node)) {
	node = resolved(node)
	if node.Kind != yaml.SequenceNode {
		p.problem(node, "this must be a list, and is %s", kind(node))
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
func (p *parser) text(node *yaml.Node) (string, bool) {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		p.problem(node, "this must be a text, and is %s", kind(node))
		return "", false
	}
	if node.Value == "" || strings.ContainsFunc(node.Value, unicode.IsControl) {
		p.problem(node, "this must be a text of one line, and is %q", quotable(node.Value))
		return "", false
	}
	return node.Value, true
}

func (p *parser) oneOf(node *yaml.Node, words ...string) (string, bool) {
	text, ok := p.text(node)
	if ok && !slices.Contains(words, text) {
		p.problem(node, "%q is none of %s", quotable(text), strings.Join(words, ", "))
		return "", false
	}
	return text, ok
}

func (p *parser) boolean(node *yaml.Node) *bool {
	text, ok := p.oneOf(node, "true", "false")
	if !ok {
		return nil
	}
	yes := text == "true"
	return &yes
}

func (p *parser) integer(node *yaml.Node, least, most int) *int {
	text, ok := p.text(node)
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		p.problem(node, "%q is not a number from %d to %d", quotable(text), least, most)
		return nil
	}
	return &n
}

// address parses an address of this machine to listen on.
func (p *parser) address(node *yaml.Node) *netip.Addr {
	text, ok := p.text(node)
	if !ok {
		return nil
	}
	if text == "localhost" {
		text = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.IsMulticast() {
		p.problem(node, "%q is not an IP address to listen on (the port is a key of its own)", quotable(text))
		return nil
	}
	addr = addr.Unmap()
	return &addr
}

var namespaceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

func (p *parser) namespace(node *yaml.Node) *string {
	text, ok := p.text(node)
	if !ok {
		return nil
	}
	if !namespaceName.MatchString(text) {
		p.problem(node, "%q cannot be the name of a namespace", quotable(text))
		return nil
	}
	return &text
}

var domainName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)

func (p *parser) domain(node *yaml.Node) *string {
	text, ok := p.text(node)
	if !ok {
		return nil
	}
	if !domainName.MatchString(text) || len(text) > 253 {
		p.problem(node, "%q cannot be a domain", quotable(text))
		return nil
	}
	return &text
}

// namespaces parses a list of namespace names.
func (p *parser) namespaces(node *yaml.Node) *[]string {
	names := []string{}
	p.list(node, func(n *yaml.Node) {
		if name := p.namespace(n); name != nil {
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
