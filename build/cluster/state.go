package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
)

// lockName is the file that marks a directory as a cluster's; it is locked while a cluster runs in the directory.
const lockName = "cluster.lock"

// maxSocketPath is what fits the shortest sockaddr_un of the supported systems (macOS: 104 bytes with the terminating
// zero).
const maxSocketPath = 103

// state is the directory of one running cluster.
type state struct {
	dir  string
	made bool
	lock *fileutil.LockedFile
}

// claim locks a state directory: a new one if dir is "", which release removes; otherwise dir, which must be absent,
// empty or an earlier cluster's. It removes what an earlier cluster left.
func claim(dir string) (_ *state, err error) {
	s := &state{dir: dir}
	if dir == "" {
		if s.dir, err = os.MkdirTemp("", "fairlead-cluster-"); err != nil {
			return nil, fmt.Errorf("state directory: %w", err)
		}
		s.made = true
	} else if s.dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("state directory %s: %w", dir, err)
	}
	if len(s.path("control.sock")) > maxSocketPath {
		return nil, fmt.Errorf("state directory %s: its name is too long for a socket in it", s.dir)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if err := s.checkOwn(); err != nil {
		return nil, err
	}
	s.lock, err = fileutil.TryLockFile(s.path(lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		return nil, fmt.Errorf("state directory %s: another cluster runs in it", s.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("lock state directory: %w", err)
	}
	return s, s.clear()
}

func (s *state) path(name string) string { return filepath.Join(s.dir, name) }

// checkOwn returns an error if the directory contains files that are not a cluster's.
func (s *state) checkOwn() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	if len(entries) == 0 {
		return os.Chmod(s.dir, 0o700)
	}
	if _, err := os.Lstat(s.path(lockName)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("state directory %s: it is not empty, and no earlier cluster's", s.dir)
	}
	return nil
}

// clear removes the files that an earlier cluster left, by name.
func (s *state) clear() error {
	left := []string{
		"audit-policy.yaml", "audit.log", "control.sock", "etcd", "etcd-peer.sock", "etcd.sock", "etcd.sock.lock", "flex",
		"kubeconfig", "kubeconfig-middlebox", "kubeconfig-token", "pki", "kubelet.log",
		"containerd.log", "init.pid", "launcher.log", "node",
		"etcd.log", "kube-apiserver.log", "kube-controller-manager.log", "kube-scheduler.log",
	}
	for _, name := range left {
		if err := os.RemoveAll(s.path(name)); err != nil {
			return fmt.Errorf("clear state directory: %w", err)
		}
	}
	return nil
}

// release unlocks the directory, and removes it if claim made it.
func (s *state) release() error {
	if s.lock == nil {
		return nil // another process holds it
	}
	err := s.lock.Close()
	if s.made {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}
