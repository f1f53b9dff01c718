package settings

import (
	"bytes"
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
)

const (
	fileName = "state.json"
	version  = 1
	maxSize  = 4 << 20 // bytes; thousands of contexts fit
)

// state is the file.
type state struct {
	Version  int                     `json:"version"`
	Contexts map[string]contextState `json:"contexts"`
}

type contextState struct {
	Port int  `json:"port,omitempty"`
	On   bool `json:"on"`
}

// DamagedError tells of a state file that could not be understood.
type DamagedError struct {
	Kept string // the name it has now, so that nothing is lost
	Err  error  // what is wrong with it
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the state file is damaged (%v); it is kept as %s", e.Err, e.Kept)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// errNotUnderstood marks the contents, as opposed to a file that cannot be read.
var errNotUnderstood = errors.New("not a state file")

// update reads the state, lets change change it, and writes it if it did, all under the lock. A *DamagedError comes after the change
// was made, to the state as it was last known.
func (s *Store) update(change func(*state) error) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	release, err := lockState(s.dir)
	if err != nil {
		return err
	}
	defer release()

	path := filepath.Join(s.dir, fileName)
	before, err := read(path)
	var damaged error
	if errors.Is(err, errNotUnderstood) {
		if damaged, err = keepAside(path, err); err != nil {
			return err
		}
		before = state{} // so that what is known is written anew
	} else if err != nil {
		return err
	}
	now := state{Version: version, Contexts: maps.Clone(before.Contexts)}
	if damaged != nil {
		now.Contexts = maps.Clone(s.last.Contexts)
	}
	if err := change(&now); err != nil {
		return errors.Join(damaged, err)
	}
	if !maps.Equal(now.Contexts, before.Contexts) {
		if err := write(path, now); err != nil {
			return errors.Join(damaged, err)
		}
	}
	s.last = now
	return damaged
}

// read returns the state in a file, which is empty if there is none.
func read(path string) (state, error) {
	empty := state{Version: version, Contexts: map[string]contextState{}}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return state{}, fmt.Errorf("read the state: %w", err)
	}
	defer file.Close()
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
	var now state
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&now); err != nil {
		return state{}, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return state{}, errors.New("more follows after its end")
	}
	if now.Version != version {
		return state{}, fmt.Errorf("version %d, not %d", now.Version, version)
	}
	if now.Contexts == nil {
		now.Contexts = map[string]contextState{}
	}
	now.dropBadPorts()
	return now, nil
}

// dropBadPorts takes away ports that cannot be: outside the range, or given twice. Their contexts get new ones when they next ask.
func (s state) dropBadPorts() {
	given := map[int]bool{}
	for _, name := range slices.Sorted(maps.Keys(s.Contexts)) {
		c := s.Contexts[name]
		if c.Port < 1 || c.Port > lastPort || given[c.Port] {
			c.Port = 0
			s.Contexts[name] = c
		}
		given[c.Port] = true
	}
}

func (s state) freePort() (int, error) {
	given := make(map[int]bool, len(s.Contexts))
	for _, c := range s.Contexts {
		given[c.Port] = true
	}
	for port := FirstPort; port <= lastPort; port++ {
		if !given[port] {
			return port, nil
		}
	}
	return 0, fmt.Errorf("all from %d to %d are given to other contexts", FirstPort, lastPort)
}

// keepAside renames a damaged file, never over another one.
func keepAside(path string, why error) (damaged, err error) {
	kept := path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000Z")
	for n := 2; ; n++ {
		if _, err := os.Lstat(kept); errors.Is(err, fs.ErrNotExist) {
			break
		}
		kept = fmt.Sprintf("%s.damaged-%s-%d", path, time.Now().UTC().Format("20060102T150405.000Z"), n)
	}
	if err := os.Rename(path, kept); err != nil {
		return nil, fmt.Errorf("keep the damaged state file aside: %w", err)
	}
	return &DamagedError{Kept: kept, Err: why}, nil
}

// write replaces the file as a whole. The lock makes the fixed name of the new one safe, and leaves no litter after a crash.
func write(path string, now state) error {
	text, err := json.MarshalIndent(now, "", "  ")
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write the state: %w", err)
	}
	if err := writeSynced(fresh, append(text, '\n')); err != nil {
		return fmt.Errorf("write the state: %w", errors.Join(err, os.Remove(fresh)))
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return nil
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
