// Package settings combines what the user wants and what the program remembers. These are two files that are never
// mixed.
//
// config.yaml in the XDG configuration directory belongs to the user (Config, Parse). Everything in it is optional, it
// is parsed strictly, read again when it changes, and never written by the program. While it is invalid, its last valid
// content stays in force.
//
// state.json in the XDG state directory belongs to the program (Store): for each context its ports, whether it was on,
// and what was chosen in the menu. Every change reads the file again under a lock between processes and replaces it as
// a whole, so that a tray and a `serve` do not lose each other's changes, and a crash leaves the old file or the new
// one. Users should not edit it, but the program survives if they do.
//
// Settings combines both: of the file's content and a choice in the menu, the later one wins.
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

// FirstPort is the port of the first context. The next one gets the next free port.
const FirstPort = 1080

const lastPort = 65535

// Dir returns the program's directory for state and logs: fairlead in the XDG state home (its equivalent on macOS and
// Windows). It need not exist.
func Dir() (string, error) {
	if !filepath.IsAbs(xdg.StateHome) {
		return "", errors.New("find a directory for state: neither XDG_STATE_HOME nor the home directory is known")
	}
	return filepath.Join(xdg.StateHome, "fairlead"), nil
}

// Store is the state in one directory. Its methods may be called by any goroutine.
type Store struct {
	dir      string
	changing sync.Mutex // held during a change, also while it waits for the disk

	mutex sync.Mutex // guards the fields below; never held while waiting
	last  state      // as last read or written; its maps are not modified
}

// Open creates the directory if necessary, for its owner only, and reads the state in it. An invalid state file is set
// aside under another name, and the store is then empty but usable, and damage is a *DamagedError.
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

// OpenMemory returns a store that is kept nowhere, for a program that must write no file.
func OpenMemory() *Store { return &Store{last: state{}.clone()} }

// port returns the port of a context. On first use that is the lowest number from FirstPort on that no other context
// has and config assigns to none, and it stays the same from then on. A context whose port config assigns to another one
// gets a second port, and its first one is kept for it. port does not check whether another program listens there.
func (s *Store) port(name string, config Config) (int, error) {
	var port int
	err := s.update(func(now *state) error {
		c := now.Contexts[name]
		assigned := c.proxyPort()
		which := &assigned.Port
		if config.claimant(assigned.Port, name) != "" {
			which = &assigned.Moved
		}
		if *which == 0 || config.claimant(*which, name) != "" {
			free, err := now.freePort(config.ports())
			if err != nil {
				return fmt.Errorf("choose a port for context %q: %w", name, err)
			}
			*which = free
			c.setProxyPort(assigned)
			now.Contexts[name] = c
		}
		port = *which
		return nil
	})
	var damaged *DamagedError
	if errors.As(err, &damaged) && port != 0 {
		err = nil // the port was chosen and written nevertheless
	}
	return port, err
}

// SetOn saves whether a context is wanted on, and that it was used. It returns a *DamagedError if the file was damaged
// since it was last read, and the known state and the change were written again.
func (s *Store) SetOn(name string, on bool) error {
	return s.change(name, func(c *contextState) {
		if on && !c.On {
			c.Used = time.Now().Unix()
		}
		c.On = on
	})
}

// change changes the state of one context.
func (s *Store) change(name string, change func(*contextState)) error {
	return s.update(func(now *state) error {
		c := now.Contexts[name]
		before := c
		change(&c)
		if !c.equal(before) {
			now.Contexts[name] = c
		}
		return nil
	})
}

// remembered returns the last known state of one context. It does not read the file.
func (s *Store) remembered(name string) contextState {
	return s.known().Contexts[name]
}

// On returns the contexts that were last wanted on, sorted by name. It does not read the file.
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

// privateDir creates a directory that only its owner can access, or makes an existing one so.
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
