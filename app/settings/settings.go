// Package settings is what the user wants and what the program remembers, two files that are never mixed.
//
// config.yaml in the XDG configuration directory is the user's (Config, Parse): optional in all its parts, strict, read anew when it
// changes, and never written by the program. While something is wrong in it, what it last said rightly stays in force.
//
// state.json in the XDG state directory is the program's (Store): for each context its port, whether it was on, and what was chosen in
// the menu. Every change reads the file anew under a lock between processes and replaces it as a whole, so that the tray and a `serve`
// beside it do not lose each other's changes, and a crash leaves the old file or the new one. Nobody is meant to edit it, though it
// survives being edited.
//
// Settings takes both together: of what the file says and what was chosen in the menu, the later wins.
package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/adrg/xdg"
)

// FirstPort is the number the first context gets; the next one gets the next free number.
const FirstPort = 1080

const lastPort = 65535

// Dir returns the program's directory for state and logs: fairlead in the XDG state home (its equivalent on macOS and Windows). It
// need not exist yet.
func Dir() (string, error) {
	if !filepath.IsAbs(xdg.StateHome) {
		return "", errors.New("find a directory for state: neither XDG_STATE_HOME nor the home directory is known")
	}
	return filepath.Join(xdg.StateHome, "fairlead"), nil
}

// Store is the state of one directory. Its methods may be called by any goroutine.
type Store struct {
	dir      string
	changing sync.Mutex // held by the one change under way, while it waits for the disk

	mutex sync.Mutex // guards what follows; never held while waiting
	last  state      // as last read or written; its maps are not changed
}

// Open makes the directory if need be, for its owner only, and reads the state in it. A state file that cannot be understood is kept
// aside under another name, and the store is empty and can be used; damage, a *DamagedError, then says so.
func Open(dir string) (s *Store, damage, err error) {
	if err := privateDir(dir); err != nil {
		return nil, nil, err
	}
	s = &Store{dir: dir, last: state{}.clone()}
	err = s.update(func(*state) error { return nil })
	var damaged *DamagedError
	if errors.As(err, &damaged) {
		return s, damaged, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return s, nil, nil
}

// Port returns the port of a context. On first use that is the lowest number from FirstPort on which no other context has; from then
// on it stays the same. Whether another program listens there is not asked.
func (s *Store) Port(name string) (int, error) { return s.port(name, Config{}) }

// port is Port where the user's file gives some ports away. A context whose port is another's now gets a second one, and remembers the
// first: nobody else is given it.
func (s *Store) port(name string, config Config) (int, error) {
	var port int
	err := s.update(func(now *state) error {
		c := now.Contexts[name]
		which := &c.Port
		if config.claimant(c.Port, name) != "" {
			which = &c.Moved
		}
		if *which == 0 || config.claimant(*which, name) != "" {
			free, err := now.freePort(config.ports())
			if err != nil {
				return fmt.Errorf("choose a port for context %q: %w", name, err)
			}
			*which = free
			now.Contexts[name] = c
		}
		port = *which
		return nil
	})
	var damaged *DamagedError
	if errors.As(err, &damaged) && port != 0 {
		err = nil // the port was chosen and written all the same
	}
	return port, err
}

// SetOn remembers whether a context is to be on, and that it was used. A *DamagedError tells that the file was damaged since it was
// last read; what was known before and the change were written anew.
func (s *Store) SetOn(name string, on bool) error {
	return s.change(name, func(c *contextState) {
		if on && !c.On {
			c.Used = time.Now().Unix()
		}
		c.On = on
	})
}

// change changes what is remembered of one context.
func (s *Store) change(name string, change func(*contextState)) error {
	return s.update(func(now *state) error {
		c := now.Contexts[name]
		before := c
		change(&c)
		if c != before {
			now.Contexts[name] = c
		}
		return nil
	})
}

// remembered is what was last known of one context. It does not read the file.
func (s *Store) remembered(name string) contextState {
	return s.known().Contexts[name]
}

// On returns the contexts that were on when last seen, sorted by name. It does not read the file.
func (s *Store) On() []string {
	var names []string
	for name, c := range s.known().Contexts {
		if c.On {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// privateDir makes a directory that only its owner can look into, or makes it so.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory for state: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("make the directory for state: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(dir, 0o700); err != nil {
			return fmt.Errorf("make the directory for state private: %w", err)
		}
	}
	return nil
}
