package settings

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
)

// Settings combines the user's file and the program's state. Its methods may be called by any goroutine. Methods that
// save something return a *DamagedError if they saved it but the state file was damaged and had to be replaced.
type Settings struct {
	*UserFile
	overrides
	learned
}

// Load reads the user's file, or uses its last valid text if it is invalid now, which Problem then reports. store is
// the state that it is combined with.
func Load(store *Store, file string) *Settings {
	return &Settings{UserFile: readUserFile(file, store.dir, true), learned: learned{store}}
}

// Peek reads the state in dir and the user's file without changing anything on disk. The directory need not exist, and
// a state that cannot be read is empty. Prepare, and methods that save something, must not be called on the result.
func Peek(dir, file string) *Settings {
	s := &Settings{UserFile: readUserFile(file, dir, false), learned: learned{&Store{last: state{}.clone()}}}
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
	return s.override(c).withoutOwn(s.store.known().Contexts), complete
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

// ReadState reads the state again, which another program of the user may have changed.
func (s *Settings) ReadState() error {
	return s.store.update(func(*state) error { return nil })
}

// Effective returns the effective settings of a context. It does not access files.
func (s *Settings) Effective(name string) Context {
	config, complete := s.merged()
	c := config.context(name, s.store.remembered(name))
	c, forwardsOnly := s.overrideContext(c)
	if forwardsOnly {
		return c
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
	s.dropNamespace(name)
	written := s.Config().written(name).Namespace
	return s.store.change(name, func(c *contextState) { c.Namespace = choose(namespace, written) })
}

// SetOutside saves the route for hosts outside the cluster.
func (s *Settings) SetOutside(name string, outside Outside) error {
	if !s.Effective(name).isRoute(outside) {
		return fmt.Errorf("%q is not a route for hosts outside", quotable(string(outside)))
	}
	written := string(s.Config().written(name).Outside)
	return s.store.change(name, func(c *contextState) { c.Outside = choose(string(outside), written) })
}

// SetProduction saves whether a context was marked as a production one.
func (s *Settings) SetProduction(name string, production bool) error {
	written := strconv.FormatBool(s.Config().written(name).Production)
	return s.store.change(name, func(c *contextState) { c.Production = choose(strconv.FormatBool(production), written) })
}

// SetPassword saves whether clients of a context need a password. If the user's file requires one for a context that
// other machines can reach, it stays required.
func (s *Settings) SetPassword(name string, wanted bool) error {
	written := strconv.FormatBool(s.Config().written(name).Password)
	return s.store.change(name, func(c *contextState) { c.WantsPassword = choose(strconv.FormatBool(wanted), written) })
}

// written returns the settings of a context according to the user's file alone.
func (c Config) written(name string) Context { return c.context(name, contextState{}) }

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
