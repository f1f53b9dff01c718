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

// ConfigFile returns the path of the user's file: fairlead/config.yaml in the XDG configuration directory (its
// equivalent on macOS and Windows). The file need not exist.
func ConfigFile() (string, error) {
	if !filepath.IsAbs(xdg.ConfigHome) {
		return "", errors.New("find the settings: neither XDG_CONFIG_HOME nor the home directory is known")
	}
	return filepath.Join(xdg.ConfigHome, "fairlead", "config.yaml"), nil
}

// goodName is the file in the state directory with the last valid text of the user's file.
const goodName = "config.good.yaml"

// Settings combines the user's file and the program's state. Its methods may be called by any goroutine. Methods that
// save something return a *DamagedError if they saved it but the state file was damaged and had to be replaced.
type Settings struct {
	store *Store
	file  string

	mutex           sync.Mutex // guards the fields below
	text            []byte     // as last read
	missing         bool
	config          Config
	problem         error
	readable        bool                        // by other users of this machine
	unread          bool                        // the file could not be read
	good            []byte                      // the text of config; nil if there is none
	mayLackPassword bool                        // the invalid file may require a password that config lacks
	at              map[string][]netip.AddrPort // by context, the addresses of ListenAt
	there           map[string]bool             // the contexts that exist, or did since the program started
}

// Load reads the user's file, or uses its last valid text if it is invalid now, which Problem then reports. store is
// the state that it is combined with.
func Load(store *Store, file string) *Settings {
	s := &Settings{store: store, file: file, missing: true}
	s.Reload()
	s.fallBack(store.dir)
	return s
}

// fallBack uses the last valid text of the user's file, from the copy in dir, if the file is invalid now.
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

// mayNeedPassword reports whether text, which is invalid, may require a password that good does not.
func mayNeedPassword(text, good []byte) bool {
	return len(text) > maxConfig || !slices.Equal(passwordLines(text), passwordLines(good))
}

// passwordLines returns the lines that set a password.
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

// Peek reads the state in dir and the user's file without changing anything on disk. The directory need not exist, and
// a state that cannot be read is empty. Prepare, and methods that save something, must not be called on the result.
func Peek(dir, file string) *Settings {
	s := &Settings{store: &Store{last: state{}.clone()}, file: file, missing: true}
	if now, err := read(filepath.Join(dir, fileName)); err == nil && dir != "" {
		s.store.last = now.clone()
	}
	s.Reload()
	s.fallBack(dir)
	return s
}

// Reload reads the user's file again, and reports whether its content or its problems have changed. While the file is
// invalid, its last valid content stays in force.
func (s *Settings) Reload() bool {
	text, err := readBounded(s.file)
	good, changed := s.setText(text, err)
	changed = s.setReadable(readableByOthers(s.file)) || changed
	if good && s.store.dir != "" {
		// If the copy cannot be written, that only matters when the file becomes invalid, and writes of the state
		// report errors of the disk.
		_ = replace(filepath.Join(s.store.dir, goodName), text)
	}
	return changed
}

// setReadable records whether other users can read the file, and reports whether that is a change.
func (s *Settings) setReadable(readable bool) (changed bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	changed = readable != s.readable
	s.readable = readable
	return changed
}

// setText applies the result of reading the user's file. It reports whether that is a change, and whether the text is
// valid.
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

// File returns the path of the user's file.
func (s *Settings) File() string { return s.file }

// Problem returns what is wrong with the user's file now: Problems, or the error of reading it. It returns nil if
// nothing is.
func (s *Settings) Problem() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.problem
}

// Config returns the content of the user's file, or its last valid content.
func (s *Settings) Config() Config {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	config := s.config
	config.at, config.there = s.at, s.there
	return config
}

// SetContexts sets which contexts exist. A port that the user's file assigns to one of them is not assigned to another; the
// port of a context that does not exist is only kept free. A context that disappears keeps its port while this program
// runs, because tools delete an entry to write it again.
func (s *Settings) SetContexts(names iter.Seq[string]) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	there := map[string]bool{} // other goroutines may be reading the old map
	maps.Copy(there, s.there)
	for name := range names {
		there[name] = true
	}
	s.there = there
}

// ListenAt makes a context listen at addresses instead of those in its settings, while this program runs. Port 0 stands
// for any free port. Who may connect is decided as if the file had these addresses.
func (s *Settings) ListenAt(name string, addresses ...netip.AddrPort) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.at = maps.Clone(s.at) // other goroutines may be reading the old map
	if s.at == nil {
		s.at = map[string][]netip.AddrPort{}
	}
	s.at[name] = nil
	for _, at := range addresses {
		s.at[name] = append(s.at[name], netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
	}
}

// Effective returns the effective settings of a context. It does not access files.
func (s *Settings) Effective(name string) Context {
	c := s.Config().context(name, s.store.remembered(name))
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.mayLackPassword && c.Problem == "" && !c.Password && !c.RequireTLS {
		c.Problem = "The settings may ask for a password and cannot be read, and it does not start without one: `fairlead settings check` says what is wrong."
	}
	return c
}

// Prepare returns Effective with the port and the password that a proxy needs. On first use it assigns and saves them.
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

// NewPassword generates a new password for a context's clients, replacing the last one that was generated.
func (s *Settings) NewPassword(name string) error {
	return s.store.change(name, func(c *contextState) { c.Password = rand.Text() })
}

// SetNamespace saves the namespace for names without one; empty stands for the kubeconfig's.
func (s *Settings) SetNamespace(name, namespace string) error {
	if namespace != "" && !namespaceName.MatchString(namespace) {
		return fmt.Errorf("%q cannot be the name of a namespace", quotable(namespace))
	}
	written := s.written(name).Namespace
	return s.store.change(name, func(c *contextState) { c.Namespace = choose(namespace, written) })
}

// SetOutside saves the route for hosts outside the cluster.
func (s *Settings) SetOutside(name string, outside Outside) error {
	if outside != Direct && outside != Refuse {
		return fmt.Errorf("%q is not a route for hosts outside", quotable(string(outside)))
	}
	written := string(s.written(name).Outside)
	return s.store.change(name, func(c *contextState) { c.Outside = choose(string(outside), written) })
}

// SetProduction saves whether a context was marked as a production one.
func (s *Settings) SetProduction(name string, production bool) error {
	written := strconv.FormatBool(s.written(name).Production)
	return s.store.change(name, func(c *contextState) { c.Production = choose(strconv.FormatBool(production), written) })
}

// SetPassword saves whether clients of a context need a password. If the user's file requires one for a context that
// other machines can reach, it stays required.
func (s *Settings) SetPassword(name string, wanted bool) error {
	written := strconv.FormatBool(s.written(name).Password)
	return s.store.change(name, func(c *contextState) { c.WantsOne = choose(strconv.FormatBool(wanted), written) })
}

// written returns the settings of a context according to the user's file alone.
func (s *Settings) written(name string) Context { return s.Config().context(name, contextState{}) }

// Notifies reports whether notifications of a kind are on. All are on by default.
func (s *Settings) Notifies(kind Notification) bool {
	written := s.Config().notifies(kind)
	return s.store.known().Notifications[kind].pick(strconv.FormatBool(written)) == "true"
}

// SetNotifies saves whether notifications of a kind are on.
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

// readBounded reads a file up to the maximum size of config.yaml, plus one byte if it is larger.
func readBounded(path string) ([]byte, error) {
	file, err := ownfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	return text, nil
}

// Check calls wrong for each thing outside the file that the user's file names, and returns its errors, each as a
// Problem, in the file's order. wrong returns nil if the thing can be used.
func (s *Settings) Check(wrong func(Reference) error) []Problem {
	var problems []Problem
	for _, r := range s.Config().references {
		if err := wrong(r); err != nil {
			problems = append(problems, Problem{s.file, r.Line, err.Error()})
		}
	}
	return problems
}

// Unknown returns the names under contexts in the user's file that there does not report to exist, each as a Problem. A
// kubeconfig may lack a context today and have it tomorrow, so this is advice, not an error.
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

// Moves returns the ports in the user's file that other contexts have now, each as a Problem that says which context
// moves.
func (s *Settings) Moves() []Problem {
	config, known := s.Config(), s.store.known().Contexts
	var problems []Problem
	for _, b := range config.contexts {
		for _, name := range slices.Sorted(maps.Keys(known)) {
			if b.options.Port == nil || known[name].proxyPort().Port != *b.options.Port || name == b.pattern || config.options(name).Port != nil || !config.there[name] {
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
