package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fairlead/app/ownfile"
)

const (
	fileName = "state.json"
	version  = 2
	maxSize  = 4 << 20 // bytes; thousands of contexts fit
)

// state is the content of the file.
type state struct {
	Version       int                     `json:"version"`
	Contexts      map[string]contextState `json:"contexts"`
	Notifications map[Notification]choice `json:"notifications,omitempty"`
	Plugins       map[string]bool         `json:"plugins,omitempty"` // hashes of the approved credential plugins
}

// A choice is a setting that was chosen in the menu, with what the user's file said about it at that time. It holds
// until the file says something else, so the later of the two wins without a look at a clock. The zero choice means
// none.
type choice struct {
	Value string `json:"value"`
	Over  string `json:"over"`
}

// choose returns the choice of a value. If the file has the same value, that is no choice.
func choose(value, file string) choice {
	if value == file {
		return choice{}
	}
	return choice{value, file}
}

// pick returns the chosen value if it still holds, and the file's otherwise.
func (c choice) pick(file string) string {
	if c != (choice{}) && c.Over == file {
		return c.Value
	}
	return file
}

func (s state) equal(other state) bool {
	return maps.EqualFunc(s.Contexts, other.Contexts, contextState.equal) && maps.Equal(s.Notifications, other.Notifications) && maps.Equal(s.Plugins, other.Plugins)
}

// clone returns a state that can be modified.
func (s state) clone() state {
	c := state{Version: version, Contexts: maps.Clone(s.Contexts), Notifications: maps.Clone(s.Notifications), Plugins: maps.Clone(s.Plugins)}
	if c.Contexts == nil {
		c.Contexts = map[string]contextState{}
	}
	if c.Plugins == nil {
		c.Plugins = map[string]bool{}
	}
	if c.Notifications == nil {
		c.Notifications = map[Notification]choice{}
	}
	return c
}

// DamagedError reports an invalid state file.
type DamagedError struct {
	Kept string // its new name, so that nothing is lost
	Err  error  // what is wrong with it
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the state file is damaged (%v); it is kept as %s", e.Err, e.Kept)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// errNotUnderstood means that the contents are invalid, unlike an error of reading the file.
var errNotUnderstood = errors.New("not a state file")

// update reads the state, calls change, and writes the state if it changed, all under the lock. When it returns a
// *DamagedError, it has made the change to the last known state.
func (s *Store) update(change func(*state) error) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.dir == "" {
		return s.updateMemory(change)
	}
	release, err := lockState(s.dir)
	if err != nil {
		return err
	}
	defer release()

	path := filepath.Join(s.dir, fileName)
	before, err := read(path)
	var damaged error
	if errors.Is(err, errNotUnderstood) {
		if damaged, err = setAside(path, err); err != nil {
			return err
		}
		before = state{} // so that the known state is written again
	} else if err != nil {
		return err
	}
	now := before.clone()
	if damaged != nil {
		now = s.known().clone()
	}
	if err := change(&now); err != nil {
		return errors.Join(damaged, err)
	}
	if !now.equal(before) {
		if err := write(path, now); err != nil {
			return errors.Join(damaged, err)
		}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.last = now
	return damaged
}

// updateMemory is update for a store that is kept nowhere.
func (s *Store) updateMemory(change func(*state) error) error {
	now := s.known().clone()
	if err := change(&now); err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.last = now
	return nil
}

// known returns the state as last read or written, which must not be modified.
func (s *Store) known() state {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.last
}

// read returns the state in a file. It is empty if there is no file.
func read(path string) (state, error) {
	empty := state{Version: version, Contexts: map[string]contextState{}}
	file, err := ownfile.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return state{}, fmt.Errorf("read the state: %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err != nil {
		return state{}, fmt.Errorf("read the state: %w", err)
	}
	now, err := parse(text)
	if err != nil {
		return state{}, fmt.Errorf("%w: %w", errNotUnderstood, err)
	}
	return now, nil
}

func parse(text []byte) (state, error) {
	if len(text) > maxSize {
		return state{}, fmt.Errorf("larger than %d bytes", maxSize)
	}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return state{}, err
	}
	var now state
	var err error
	switch head.Version {
	case 1:
		now, err = parseV1(text)
	case version:
		err = json.Unmarshal(text, &now)
	default:
		err = fmt.Errorf("version %d, not %d", head.Version, version)
	}
	if err != nil {
		return state{}, err
	}
	if now.Contexts == nil {
		now.Contexts = map[string]contextState{}
	}
	now.dropBadPorts()
	return now, nil
}

// dropBadPorts removes ports that are out of range or assigned twice. Their contexts get new ones when they next need
// one.
func (s state) dropBadPorts() {
	given := map[int]bool{}
	drop := func(port *int) {
		if *port < 1 || *port > lastPort || given[*port] {
			*port = 0
		}
		given[*port] = true
	}
	names := slices.Sorted(maps.Keys(s.Contexts))
	for _, name := range names {
		for i := range s.Contexts[name].Ports {
			drop(&s.Contexts[name].Ports[i].Port)
		}
	}
	for _, name := range names {
		for i := range s.Contexts[name].Ports {
			drop(&s.Contexts[name].Ports[i].Moved)
		}
	}
}

// freePort returns the lowest port that no context has or had, and that the user's file does not assign.
func (s state) freePort(reserved map[int]string) (int, error) {
	given := make(map[int]bool, len(s.Contexts))
	for _, c := range s.Contexts {
		for _, p := range c.Ports {
			given[p.Port], given[p.Moved] = true, true
		}
	}
	for port := FirstPort; port <= lastPort; port++ {
		if _, taken := reserved[port]; !given[port] && !taken {
			return port, nil
		}
	}
	return 0, fmt.Errorf("all from %d to %d are given to other contexts", FirstPort, lastPort)
}

// setAside renames a damaged file, never over another one.
func setAside(path string, why error) (damaged, err error) {
	kept := path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000Z")
	for n := 2; ; n++ {
		if _, err := os.Lstat(kept); errors.Is(err, fs.ErrNotExist) {
			break
		}
		kept = fmt.Sprintf("%s.damaged-%s-%d", path, time.Now().UTC().Format("20060102T150405.000Z"), n)
	}
	if err := os.Rename(path, kept); err != nil {
		return nil, fmt.Errorf("set the damaged state file aside: %w", err)
	}
	return &DamagedError{Kept: kept, Err: why}, nil
}

// write replaces the state as a whole.
func write(path string, now state) error {
	text, err := json.MarshalIndent(now, "", "  ")
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	if err := replace(path, append(text, '\n')); err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return nil
}

// replace replaces a file as a whole. The new file has a fixed name, which the lock makes safe, so that crashes leave
// no litter.
func replace(path string, text []byte) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeSynced(fresh, text); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return os.Rename(fresh, path)
}

func writeSynced(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
