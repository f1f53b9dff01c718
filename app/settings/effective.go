package settings

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/adrg/xdg"

	"fairlead/app/ownfile"
)

// ConfigFile is the user's file: fairlead/config.yaml in the XDG configuration directory (its equivalent on macOS and Windows). It
// need not exist.
func ConfigFile() (string, error) {
	if !filepath.IsAbs(xdg.ConfigHome) {
		return "", errors.New("find the settings: neither XDG_CONFIG_HOME nor the home directory is known")
	}
	return filepath.Join(xdg.ConfigHome, "fairlead", "config.yaml"), nil
}

// goodName is, in the state directory, the last text of the user's file in which nothing was wrong.
const goodName = "config.good.yaml"

// Settings are the user's file and the program's state, taken together. Its methods may be called by any goroutine. Those that remember
// something return a *DamagedError when they did, in a state file that was damaged and is written anew.
type Settings struct {
	store *Store
	file  string

	mutex           sync.Mutex // guards what follows
	text            []byte     // as last read
	missing         bool
	config          Config
	problem         error
	readable        bool                      // by other users of this machine
	unread          bool                      // it could not be read
	good            []byte                    // what config was made of; nil: nothing
	mayLackPassword bool                      // a password may be wanted that config does not have, for the file as it is cannot be understood
	at              map[string]netip.AddrPort // by context, in place of the file's
	there           map[string]bool           // the contexts that there are, or were since the program began
}

// Load reads the user's file, or takes what it last said rightly; Problem says so then. store is the state it is taken together with.
func Load(store *Store, file string) *Settings {
	s := &Settings{store: store, file: file, missing: true}
	s.Reload()
	s.fallBack(store.dir)
	return s
}

// fallBack takes what the user's file last said rightly, from the copy in dir, if it is wrong now.
func (s *Settings) fallBack(dir string) {
	if s.problem == nil || dir == "" {
		return
	}
	if text, err := readBounded(filepath.Join(dir, goodName)); err == nil {
		if config, err := Parse(text, s.file); err == nil {
			s.config, s.good = config, text
			s.mayLackPassword = !s.unread && mayNeedPassword(s.text, s.good)
		}
	}
}

// asksForMore reports whether text, in which something is wrong, may want a password that good does not.
func mayNeedPassword(text, good []byte) bool {
	return len(text) > maxConfig || !slices.Equal(passwordLines(text), passwordLines(good))
}

// passwordLines returns the lines about a password that is wanted.
func passwordLines(text []byte) []string {
	var about []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(" "+line, " #")
		line = strings.TrimSpace(line)
		if strings.Contains(line, "password") && line != "password: false" {
			about = append(about, line)
		}
	}
	return about
}

// Peek reads the state in dir and the user's file to be looked at: nothing on disk is changed, a directory need not be there, and a
// state that cannot be read is empty. Neither Prepare nor what remembers something may be called on it.
func Peek(dir, file string) *Settings {
	s := &Settings{store: &Store{last: state{}.clone()}, file: file, missing: true}
	if now, err := read(filepath.Join(dir, fileName)); err == nil && dir != "" {
		s.store.last = now.clone()
	}
	s.Reload()
	s.fallBack(dir)
	return s
}

// Reload reads the user's file anew, and tells whether something about it differs: what it says, or what is wrong with it. While
// something is wrong, what it last said rightly stays in force.
func (s *Settings) Reload() bool {
	text, err := readBounded(s.file)
	good, changed := s.setText(text, err)
	changed = s.setReadable(readableByOthers(s.file)) || changed
	if good && s.store.dir != "" {
		// A copy that cannot be written is missed only when the file breaks, and the state's own writing tells of the disk.
		_ = replace(filepath.Join(s.store.dir, goodName), text)
	}
	return changed
}

// takeMode notes whether other users can read the file, and reports whether that is a change.
func (s *Settings) setReadable(readable bool) (changed bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	changed = readable != s.readable
	s.readable = readable
	return changed
}

// take makes what reading the user's file gave the settings. It reports whether that is a change, and one for which the
// text is good.
func (s *Settings) setText(text []byte, err error) (good, changed bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing:
		text, err = nil, nil
	case err != nil:
		changed = s.problem == nil || s.problem.Error() != err.Error()
		s.problem, s.text, s.missing, s.unread = err, nil, false, true
		s.mayLackPassword = s.mayLackPassword || s.good == nil
		return false, changed
	}
	if missing == s.missing && !s.unread && bytes.Equal(text, s.text) {
		return false, false
	}
	s.text, s.missing, s.unread = text, missing, false
	config, err := Parse(text, s.file)
	s.problem = err
	s.mayLackPassword = err != nil && mayNeedPassword(text, s.good)
	if err == nil {
		s.config, s.good = config, append([]byte{}, text...)
	}
	return err == nil, true
}

// File is the path of the user's file.
func (s *Settings) File() string { return s.file }

// Problem is what is wrong with the user's file as it is now: Problems, or what kept it from being read. Nil if nothing is.
func (s *Settings) Problem() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.problem
}

// Config is what the user's file says, or said when nothing was wrong in it.
func (s *Settings) Config() Config {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	config := s.config
	config.at, config.there = s.at, s.there
	return config
}

// Know tells which contexts there are. A port that the user's file gives to one of them is no other's; a port of a context that there
// is not is only kept free. One that goes keeps its port while this program runs, for tools delete an entry to write it anew.
func (s *Settings) Know(names iter.Seq[string]) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	there := map[string]bool{} // others may be reading the one there was
	maps.Copy(there, s.there)
	for name := range names {
		there[name] = true
	}
	s.there = there
}

// ListenAt has a context listen at an address in place of the one that its settings give, while this program runs. Port 0 is any that
// is free. Who is let in there is as if the file said it.
func (s *Settings) ListenAt(name string, at netip.AddrPort) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.at = maps.Clone(s.at) // others may be reading the one there was
	if s.at == nil {
		s.at = map[string]netip.AddrPort{}
	}
	s.at[name] = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// Effective is what holds for a context now. It reads and writes no file.
func (s *Settings) Effective(name string) Context {
	c := s.Config().context(name, s.store.remembered(name))
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.mayLackPassword && c.Problem == "" && !c.Password && !c.RequireTLS {
		c.Problem = "The settings may ask for a password and cannot be read, and it does not start without one: `fairlead settings check` says what is wrong."
	}
	return c
}

// Prepare is Effective with the port and the password that a proxy needs: on first use they are given, and remembered.
func (s *Settings) Prepare(name string) (Context, error) {
	config := s.Config()
	c := config.context(name, s.store.remembered(name))
	if o := config.options(name); o.Port == nil {
		if _, err := s.store.port(name, config); err != nil {
			return Context{}, err
		}
	}
	if c.Password && c.Credentials == (Credentials{}) {
		if err := s.NewPassword(name); err != nil && !errors.As(err, new(*DamagedError)) {
			return Context{}, err
		}
	}
	return s.Effective(name), nil
}

// NewPassword makes up a password for a context's clients, in place of the one that was made up before.
func (s *Settings) NewPassword(name string) error {
	return s.store.change(name, func(c *contextState) { c.Password = rand.Text() })
}

// SetNamespace remembers the namespace chosen for names that carry none; empty is the kubeconfig's.
func (s *Settings) SetNamespace(name, namespace string) error {
	if namespace != "" && !namespaceName.MatchString(namespace) {
		return fmt.Errorf("%q cannot be the name of a namespace", quotable(namespace))
	}
	written := s.written(name).Namespace
	return s.store.change(name, func(c *contextState) { c.Namespace = choose(namespace, written) })
}

// SetOutside remembers the route chosen for hosts outside the cluster.
func (s *Settings) SetOutside(name string, outside Outside) error {
	if outside != Direct && outside != Refuse {
		return fmt.Errorf("%q is no route for hosts outside", quotable(string(outside)))
	}
	written := string(s.written(name).Outside)
	return s.store.change(name, func(c *contextState) { c.Outside = choose(string(outside), written) })
}

// SetProduction remembers whether a context was marked as one of production.
func (s *Settings) SetProduction(name string, production bool) error {
	written := strconv.FormatBool(s.written(name).Production)
	return s.store.change(name, func(c *contextState) { c.Production = choose(strconv.FormatBool(production), written) })
}

// SetPassword remembers whether clients of a context are to give a password. Where the user's file wants one for a context that other
// machines can reach, it stays wanted.
func (s *Settings) SetPassword(name string, wanted bool) error {
	written := strconv.FormatBool(s.written(name).Password)
	return s.store.change(name, func(c *contextState) { c.WantsOne = choose(strconv.FormatBool(wanted), written) })
}

// written is what the user's file alone makes of a context.
func (s *Settings) written(name string) Context { return s.Config().context(name, contextState{}) }

// Notifies tells whether notifications of a kind are on; all are unless someone turned them off.
func (s *Settings) Notifies(kind Notification) bool {
	written := s.Config().notifies(kind)
	return s.store.known().Notifications[kind].pick(strconv.FormatBool(written)) == "true"
}

// SetNotifies remembers whether notifications of a kind are wanted.
func (s *Settings) SetNotifies(kind Notification, on bool) error {
	written := s.Config().notifies(kind)
	return s.store.update(func(now *state) error {
		now.Notifications[kind] = choose(strconv.FormatBool(on), strconv.FormatBool(written))
		if now.Notifications[kind] == (choice{}) {
			delete(now.Notifications, kind)
		}
		return nil
	})
}

func (c Config) notifies(kind Notification) bool {
	on, written := c.notifications[kind]
	return on || !written
}

// readBounded reads a file of the size that config.yaml may have, and one byte more if it is larger.
func readBounded(path string) ([]byte, error) {
	file, err := ownfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	return text, nil
}

// Check returns what is wrong with what the user's file names outside itself, each as a Problem, in the file's order. wrong
// looks at one thing, and returns nil when it can be used.
func (s *Settings) Check(wrong func(Reference) error) []Problem {
	var problems []Problem
	for _, r := range s.Config().references {
		if err := wrong(r); err != nil {
			problems = append(problems, Problem{s.file, r.Line, err.Error()})
		}
	}
	return problems
}

// Unknown are the names under contexts in the user's file that are not among those there are, each as a Problem. A kubeconfig may
// lack a context today and have it tomorrow, so this is advice, not an error.
func (s *Settings) Unknown(there func(name string) bool, closest func(name string) []string) []Problem {
	var problems []Problem
	for _, b := range s.Config().contexts {
		if isGlob(b.pattern) || there(b.pattern) {
			continue
		}
		text := fmt.Sprintf("no context %q in the kubeconfig", quotable(b.pattern))
		if near := closest(b.pattern); len(near) > 0 {
			text += "; close to it: " + strings.Join(near, ", ")
		}
		problems = append(problems, Problem{s.file, b.line, text})
	}
	return problems
}

// Moves are the ports in the user's file that contexts other than the named ones have, each as a Problem: what moves, and what does not.
func (s *Settings) Moves() []Problem {
	config, known := s.Config(), s.store.known().Contexts
	var problems []Problem
	for _, b := range config.contexts {
		for _, name := range slices.Sorted(maps.Keys(known)) {
			if b.options.Port == nil || known[name].Port != *b.options.Port || name == b.pattern || config.options(name).Port != nil || !config.there[name] {
				continue
			}
			port := *b.options.Port
			text := fmt.Sprintf("port %d is the one of context %s, which moves to another while this line stands", port, quotable(name))
			if !config.there[b.pattern] {
				text = fmt.Sprintf("port %d stays with context %s, which has it, until there is a context %s", port, quotable(name), quotable(b.pattern))
			}
			problems = append(problems, Problem{s.file, b.options.portLine, text})
		}
	}
	return problems
}
