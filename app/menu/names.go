package menu

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"fairlead/app/session"
)

const (
	maxTitle = 64 // runes of a context's title
	minPart  = 16 // runes that are left at least of each part of a title
	between  = " · "
)

// Titles returns the titles of all contexts, by name, as the menu shows them: with the mark of production.
func Titles(s session.Snapshot) map[string]string {
	titles := titlesOf(s.Contexts)
	for _, c := range withoutRepeats(s.Contexts) {
		if c.Production {
			titles[c.Name] = production + titles[c.Name]
		}
	}
	return titles
}

// titlesOf returns a title for each context, by name. No two look the same, and none looks like another's name. Commands
// need the name, a title is for eyes only: the names that clouds make are shortened by their own grammar, without what all
// contexts share, and widened until they differ from the others. A title changes with another context only where the
// two would be the same, or shared something that is not shared any more.
func titlesOf(contexts []session.State) map[string]string {
	titles, _ := titled(contexts)
	return titles
}

// titled returns the titles of titlesOf, and which parts of a grammar's short they leave out, see sharedParts.
func titled(contexts []session.State) (titles map[string]string, shared []bool) {
	contexts = withoutRepeats(contexts)
	n := namesOf(contexts)
	queue := make([]int, len(n.all))
	for i := range queue {
		queue[i] = i
	}
	for len(queue) > 0 {
		i := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if other, ok := n.claim(i); ok {
			queue = append(queue, i, other)
		}
	}
	titles = make(map[string]string, len(n.all))
	for i, c := range contexts {
		titles[c.Name] = n.all[i].title
	}
	return titles, n.shared
}

// withoutOwners returns titles for the rows in the groups of owners, by context name: without the owner, which the group's
// title says. There is none for a context whose row would look like another one's somewhere in the menu.
func (x view) withoutOwners(contexts []session.State) map[string]string {
	short, looks := map[string]string{}, map[string]int{}
	for _, c := range contexts {
		g := grammarOf(c)
		if g.name == "" {
			continue
		}
		said := slices.Clone(g.owned)
		for i := range said {
			said[i] = said[i] || i < len(x.shared) && x.shared[i]
		}
		short[c.Name] = g.title(g.short, said)
		looks[look(short[c.Name])]++
	}
	if len(short) == 0 {
		return nil
	}
	for name, title := range x.titles {
		looks[look(title)]++
		if name != title && len(name) <= utf8.UTFMax*maxTitle { // a longer one is no title
			looks[look(oneLine(name))]++
		}
	}
	maps.DeleteFunc(short, func(_, title string) bool { return looks[look(title)] > 1 })
	return short
}

// withoutRepeats returns the contexts with each name once, so that all of them can have titles of their own.
func withoutRepeats(contexts []session.State) []session.State {
	first := make(map[string]int, len(contexts))
	for i, c := range contexts {
		if _, seen := first[c.Name]; !seen {
			first[c.Name] = i
		}
	}
	if len(first) == len(contexts) {
		return contexts
	}
	var once []session.State
	for i, c := range contexts {
		if first[c.Name] == i {
			once = append(once, c)
		}
	}
	return once
}

// A contextName is a name on its way to a title.
type contextName struct {
	raw   string
	whole string // raw as one line that is safe to show; of a very long one, both ends
	forms []string
	level int // how many forms, and then marks, have turned out to be ambiguous
	title string
}

// names are the names of all contexts, and who has which title.
type names struct {
	all     []contextName
	owner   map[string]int // the name that looks exactly like this text; nobody else may
	claimed map[string]int // the one name whose form looks like this, or ambiguous
	shared  []bool         // see sharedParts
}

// ambiguous stands for several names with the same form. All of them leave it, so that titles do not depend on the order.
const ambiguous = -1

func namesOf(contexts []session.State) *names {
	n := &names{all: make([]contextName, len(contexts)), owner: make(map[string]int, len(contexts)), claimed: map[string]int{}}
	grammars := make([]grammar, len(contexts))
	for i, c := range contexts {
		whole := oneLine(bothEnds(c.Name))
		n.all[i] = contextName{raw: c.Name, whole: whole}
		if whole == c.Name && look(whole) == whole && runeCount(whole) <= maxTitle {
			n.owner[whole] = i
		}
		grammars[i] = grammarOf(c)
	}
	n.shared = sharedParts(grammars)
	common := ""
	if len(contexts) > 1 {
		common = oneLine(commonWords(contexts))
	}
	differences := differencesOf(n.all)
	for i, g := range grammars {
		name := &n.all[i]
		if g.name != "" {
			name.forms = append(name.forms, g.title(g.short, n.shared), g.title(g.short, nil), g.title(g.full, nil))
		}
		name.forms = append(name.forms, plainForms(name.whole, common, differences)...)
	}
	return n
}

// claim gives a name the first of its forms that is nobody else's. If another name has taken that form, neither can have
// it: ok is true then, and both must claim again.
func (n *names) claim(i int) (other int, ok bool) {
	name := &n.all[i]
	for {
		title := name.form()
		seen := look(title)
		if owner, owned := n.owner[seen]; owned {
			if owner == i {
				name.title = title
				return 0, false
			}
			name.level++
			continue
		}
		switch before, taken := n.claimed[seen]; {
		case !taken:
			n.claimed[seen] = i
			name.title = title
			return 0, false
		case before == i: // it has been here, and still is
			name.title = title
			return 0, false
		case before == ambiguous:
			name.level++
		default:
			n.claimed[seen] = ambiguous
			return before, true
		}
	}
}

// form returns the next form of a name: one of forms or, when none of these is its own, the name with a mark made of all
// its bytes. There is always another mark.
func (n *contextName) form() string {
	if n.level < len(n.forms) {
		return n.forms[n.level]
	}
	mark := n.level - len(n.forms)
	salted := binary.BigEndian.AppendUint64(nil, uint64(max(0, mark-2)))
	sum := sha256.Sum256(append(salted, n.raw...))
	digits := hex.EncodeToString(sum[:])
	digits = digits[:[]int{4, 8, 32}[min(mark, 2)]]
	return strings.TrimSpace(shortMiddle(n.whole, maxTitle-len(digits)-len(" #")) + " #" + digits)
}

// plainForms returns the forms of a name without a grammar: the name itself or, if it is too long, its ends without what all
// names begin with, its ends, and the part in which it differs from others with the same ends.
func plainForms(whole, common string, differences map[string]difference) []string {
	switch size := runeCount(whole); {
	case whole == "":
		return []string{"(no name)"}
	case size <= maxName:
		return []string{whole}
	case size <= maxTitle:
		return append(withoutCommon(whole, common), shortMiddle(whole, maxName), whole)
	}
	ends := shortMiddle(whole, maxName)
	return append(withoutCommon(whole, common), ends, differences[ends].form(whole))
}

// withoutCommon returns a long name without the words that all names begin with, if that removes enough to be of use.
func withoutCommon(whole, common string) []string {
	if rest, ok := strings.CutPrefix(whole, common); ok && runeCount(common) >= minPart && rest != "" {
		return []string{shortMiddle("…"+rest, maxName)}
	}
	return nil
}

// A difference is where long names with the same ends differ.
type difference struct {
	of            []rune // one of them
	before, after int    // how many runes they share at the beginning and at the end
}

func differencesOf(all []contextName) map[string]difference {
	differences := map[string]difference{}
	for _, name := range all {
		if runeCount(name.whole) <= maxTitle {
			continue
		}
		runes, ends := []rune(name.whole), shortMiddle(name.whole, maxName)
		d, known := differences[ends]
		if !known {
			differences[ends] = difference{runes, len(runes), len(runes)}
			continue
		}
		d.before = commonRunes(d.before, func(i int) bool { return i < len(runes) && i < len(d.of) && runes[i] == d.of[i] })
		d.after = commonRunes(d.after, func(i int) bool {
			return i < len(runes) && i < len(d.of) && runes[len(runes)-1-i] == d.of[len(d.of)-1-i]
		})
		differences[ends] = d
	}
	return differences
}

// commonRunes returns the first i below limit for which same is false, or limit.
func commonRunes(limit int, same func(i int) bool) int {
	for i := range limit {
		if !same(i) {
			return i
		}
	}
	return limit
}

// form returns both ends of a name, and between them where it differs.
func (d difference) form(whole string) string {
	const around = 3 // runes to both sides of the difference
	runes := []rune(whole)
	begin := min(max(minPart, d.before-around), len(runes)-minPart)
	end := min(max(begin, len(runes)-d.after+around), len(runes)-minPart, begin+maxTitle-2*minPart-len("--"))
	return string(runes[:minPart]) + "…" + string(runes[begin:end]) + "…" + string(runes[len(runes)-minPart:])
}

// A grammar is what a name says that was made by a cloud's command: the cluster's name, and where it is. It is zero for
// any other name, such as those of kind and Rancher, which are the cluster's name with a word at most. So are those of AKS,
// but there the user's name says the resource group.
type grammar struct {
	kind  string
	name  string
	short []string // where it is, in brief
	full  []string // all that the name says
	owner []string // the account or project it belongs to: a title of its group, and a longer one that says it in full
	owned []bool   // which parts of short that title says
}

var (
	eksName    = regexp.MustCompile(`^arn:(aws[a-z-]{0,16}):eks:([a-z0-9-]{1,32}):([0-9]{12}):cluster/([A-Za-z0-9][A-Za-z0-9_-]{0,99})$`)
	gkeName    = regexp.MustCompile(`^(?:gke|connectgateway)_([a-z0-9.:-]{1,64})_([a-z0-9-]{1,32})_([a-z0-9-]{1,63})$`)
	doName     = regexp.MustCompile(`^do-([a-z]{3}[0-9])-([a-z0-9][a-z0-9-]{0,99})$`)
	aksUser    = regexp.MustCompile(`^cluster(?:User|Admin)_([A-Za-z0-9._()-]{1,90}_[A-Za-z0-9_-]{1,63})$`)
	eksctlName = regexp.MustCompile(`^([^@]{1,128})@([A-Za-z0-9][A-Za-z0-9_-]{0,99})\.([a-z0-9-]{1,32})\.eksctl\.io$`)
)

func grammarOf(c session.State) grammar {
	if found := eksName.FindStringSubmatch(short("arn:", c.Name)); found != nil {
		full := []string{found[2], found[3]}
		if found[1] != "aws" {
			full = append(full, found[1])
		}
		owner := []string{"EKS " + found[3][:4] + "…" + found[3][8:], "EKS " + strings.Join(full[1:], " ")}
		return grammar{"eks", found[4], []string{found[2], "…" + found[3][8:]}, full, owner, []bool{false, true}}
	}
	if found := gkeName.FindStringSubmatch(short("", c.Name)); found != nil {
		owner := []string{"GKE " + shortMiddle(found[1], maxName), "GKE " + found[1]}
		return grammar{"gke", found[3], found[1:3], found[1:3], owner, []bool{true, false}}
	}
	if found := doName.FindStringSubmatch(short("do-", c.Name)); found != nil {
		return grammar{"do", found[2], found[1:2], found[1:2], []string{"DigitalOcean", "DigitalOcean"}, []bool{false}}
	}
	if strings.HasSuffix(c.Name, ".eksctl.io") {
		if found := eksctlName.FindStringSubmatch(short("", c.Name)); found != nil {
			owner := "eksctl " + found[3]
			return grammar{"eksctl", found[2], found[3:], []string{found[3], oneLine(found[1])}, []string{owner, owner}, []bool{true}}
		}
	}
	if group := aksGroup(c); group != "" {
		return grammar{kind: "aks", owner: []string{"AKS " + shortMiddle(group, maxName), "AKS " + group}}
	}
	// Teleport's tsh names the kubeconfig's cluster after its own cluster, which has the name of a host.
	if name, ok := strings.CutPrefix(short("", c.Name), c.Cluster+"-"); ok && strings.Contains(c.Cluster, ".") && name != "" {
		proxy := []string{oneLine(c.Cluster)}
		owner := "Teleport " + shortMiddle(proxy[0], maxName)
		return grammar{"teleport", oneLine(name), proxy, proxy, []string{owner, owner}, []bool{true}}
	}
	return grammar{}
}

// aksGroup returns the resource group of a cluster of AKS, or "". “az aks get-credentials” writes it into the user's name,
// clusterUser_GROUP_CLUSTER, and kubelogin keeps that. Both may have underscores, and the entry of the cluster has its
// name unless the user has chosen another one.
func aksGroup(c session.State) string {
	found := aksUser.FindStringSubmatch(short("cluster", c.User))
	if found == nil {
		return ""
	}
	group, ok := strings.CutSuffix(found[1], "_"+c.Cluster)
	if !ok && strings.Count(found[1], "_") == 1 {
		group, _, ok = strings.Cut(found[1], "_")
	}
	if !ok {
		return ""
	}
	return group
}

// short returns a name that has a prefix and is no longer than those of any cloud, and otherwise "".
func short(prefix, name string) string {
	if strings.HasPrefix(name, prefix) && len(name) <= 512 {
		return name
	}
	return ""
}

// sharedParts reports which parts of short all contexts share. They share none if they are not all of one kind.
func sharedParts(all []grammar) []bool {
	if len(all) < 2 {
		return nil
	}
	shared := make([]bool, len(all[0].short))
	for part := range shared {
		shared[part] = true
		for _, g := range all {
			shared[part] = shared[part] && g.kind == all[0].kind && g.short[part] == all[0].short[part]
		}
	}
	return shared
}

// title returns the cluster's name and where it is, without the parts that are shared, in at most maxTitle runes.
func (g grammar) title(parts []string, shared []bool) string {
	var said []string
	for i, part := range parts {
		if i >= len(shared) || !shared[i] {
			said = append(said, part)
		}
	}
	if len(said) == 0 {
		return shortMiddle(g.name, maxTitle)
	}
	limit := maxTitle - runeCount(between)
	where := strings.Join(said, " ")
	where = shortMiddle(where, max(limit/2, limit-runeCount(g.name)))
	return shortMiddle(g.name, limit-runeCount(where)) + between + where
}

// bothEnds returns a name, or both ends of one that is longer than anybody reads.
func bothEnds(name string) string {
	const end = 1 << 10
	if len(name) <= 2*end {
		return name
	}
	return strings.ToValidUTF8(name[:end], "") + "…" + strings.ToValidUTF8(name[len(name)-end:], "")
}

// look returns what is seen of a text: without characters that take no room, and with one space for several.
func look(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r >= unicode.MaxASCII || r == ' ' }) < 0 {
		return text
	}
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) {
			return -1
		}
		return r
	}, text)), " ")
}
