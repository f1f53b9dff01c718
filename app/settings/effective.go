package settings

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
)

// Settings combines the user's file and the program's state. Its methods may be called by any goroutine. Methods that
// save something return a *DamagedError if they saved it but the state file was damaged and had to be replaced.
type Settings struct {
	*UserFile
	store *Store

	mutex      sync.Mutex                  // guards the fields below
	at         map[string][]netip.AddrPort // by context, the addresses of ListenAt
	namespaces map[string]string           // by context, those of UseNamespace
	only       map[string][]Endpoint       // by context, those of ForwardOnly
	there      map[string]bool             // the contexts that exist, or did since the program started
	tunnels    map[string]Konnectivity     // by context, those of UseKonnectivity
}

// Load reads the user's file, or uses its last valid text if it is invalid now, which Problem then reports. store is
// the state that it is combined with.
func Load(store *Store, file string) *Settings {
	return &Settings{UserFile: readUserFile(file, store.dir, true), store: store}
}

// Peek reads the state in dir and the user's file without changing anything on disk. The directory need not exist, and
// a state that cannot be read is empty. Prepare, and methods that save something, must not be called on the result.
func Peek(dir, file string) *Settings {
	s := &Settings{UserFile: readUserFile(file, dir, false), store: &Store{last: state{}.clone()}}
	if now, err := read(filepath.Join(dir, fileName)); err == nil && dir != "" {
		s.store.last = now.clone()
	}
	return s
}

// Config returns the content of the user's file, or its last valid content.
func (s *Settings) Config() Config {
	config, _ := s.merged()
	return config
}

// merged returns the content of the user's file with what was set on s.
func (s *Settings) merged() (c Config, complete bool) {
	c, complete = s.content()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	c.at, c.there, c.tunnels = s.at, s.there, s.tunnels
	return c.withoutOwn(s.store.known().Contexts), complete
}

// Problem returns what is wrong with the user's file now, and which of its upstreams are ports of contexts.
func (s *Settings) Problem() error {
	err := s.UserFile.Problem()
	flaws, ok := errors.AsType[Problems](err)
	if err != nil && !ok {
		return err
	}
	written := s.current()
	for name, u := range s.Config().upstreams {
		if u.Problem != "" && written.upstreams[name].Problem == "" {
			flaws = append(slices.Clone(flaws), Problem{s.File(), u.urlLine, ownPort(u)})
		}
	}
	if len(flaws) == 0 {
		return nil
	}
	slices.SortStableFunc(flaws, func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text)) })
	return flaws
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

// UseNamespace sets the namespace of a context's names without one, in place of that in its settings, until SetNamespace
// sets another one or this program ends.
func (s *Settings) UseNamespace(name, namespace string) error {
	if err := checkNamespace(namespace); err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.namespaces == nil {
		s.namespaces = map[string]string{}
	}
	s.namespaces[name] = namespace
	return nil
}

// Effective returns the effective settings of a context. It does not access files.
func (s *Settings) Effective(name string) Context {
	config, complete := s.merged()
	c := config.context(name, s.store.remembered(name))
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if namespace := s.namespaces[name]; namespace != "" {
		c.Namespace = namespace
	}
	if only := s.only[name]; only != nil {
		return c.forwardOnly(only)
	}
	if !complete && c.Problem == "" && !c.Password && !c.RequireTLS {
		c.Problem = "The settings may ask for a password and cannot be read, and it does not start without one: `fairlead settings check` says what is wrong."
	}
	return c
}

// Prepare returns Effective with the port and the password that a proxy needs. On first use it assigns and saves them.
func (s *Settings) Prepare(name string) (Context, error) {
	if c := s.Effective(name); c.NoProxy {
		return c, nil
	}
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
	if namespace != "" {
		if err := checkNamespace(namespace); err != nil {
			return err
		}
	}
	s.mutex.Lock()
	delete(s.namespaces, name)
	s.mutex.Unlock()
	written := s.written(name).Namespace
	return s.store.change(name, func(c *contextState) { c.Namespace = choose(namespace, written) })
}

// SetOutside saves the route for hosts outside the cluster.
func (s *Settings) SetOutside(name string, outside Outside) error {
	if !s.Config().isRoute(outside) {
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
	return s.store.change(name, func(c *contextState) { c.WantsPassword = choose(strconv.FormatBool(wanted), written) })
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
			problems = append(problems, Problem{s.File(), b.options.portLine, text})
		}
	}
	return problems
}
