package isolation

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// hidden lists the directories that a node writes to regardless of its configuration. They are empty inside the
// namespaces, and what is written there is kept in memory.
var hidden = []string{"/run", "/var/log", "/var/lib"}

// settings lists the kernel's settings that a kubelet changes and that apply to the whole machine. Inside the
// namespaces, files in memory are mounted over them.
var settings = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
	"kernel/keys/root_maxbytes",
}

// Init is the main function of the first process in the namespaces: it prepares them, runs the program, reaps orphaned
// processes, and ends when the program does. args are the directories to keep, separated by colons, and the program's
// argv. It returns the program's exit status.
func Init(args []string) int {
	if len(args) < 2 || os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "cluster: this is for the launcher's own use")
		return 2
	}
	executable, err := os.Readlink("/proc/self/exe")
	if err == nil {
		err = prepare(append(strings.Split(args[0], ":"), filepath.Dir(executable)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster: prepare the namespaces:", err)
		return 1
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	files := []*os.File{nil, os.Stdout, os.Stderr}
	for descriptor := 3; ; descriptor++ {
		if _, err := unix.FcntlInt(uintptr(descriptor), unix.F_GETFD, 0); err != nil || !isSocket(descriptor) {
			break
		}
		files = append(files, os.NewFile(uintptr(descriptor), "handed on"))
	}
	program, err := os.StartProcess(executable, args[1:], &os.ProcAttr{Env: os.Environ(), Files: files})
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster: start in the namespaces:", err)
		return 1
	}
	go func() {
		for range told {
			_ = program.Signal(syscall.SIGTERM)
		}
	}()
	return reap(program.Pid)
}

func isSocket(descriptor int) bool {
	var stat unix.Stat_t
	return unix.Fstat(descriptor, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFSOCK
}

// reap waits for every child, including orphans, until the program has ended, and returns its exit status.
func reap(program int) int {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return 1
		}
		if pid != program {
			continue
		}
		if status.Exited() {
			return status.ExitStatus()
		}
		return 1
	}
}

func prepare(keep []string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, dir := range hidden {
		if err := hide(dir, keep); err != nil {
			return err
		}
	}
	if err := shadowSettings(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("node-1")); err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	return raiseLoopback()
}

// hide mounts an empty directory over dir, and binds the directories below it that are in keep back into place.
func hide(dir string, keep []string) error {
	kept := map[string]*os.File{}
	for _, path := range keep {
		if !strings.HasPrefix(path, dir+"/") {
			continue
		}
		file, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("hide %s: %w", dir, err)
		}
		defer file.Close()
		kept[path] = file
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("hide %s: %w", dir, err)
	}
	for path, file := range kept {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), path, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("keep %s: %w", path, err)
		}
	}
	return nil
}

// shadowSettings mounts a file with the same content over each of the settings, so that writing to it changes nothing.
func shadowSettings() error {
	dir := "/run/settings"
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, name := range settings {
		setting := "/proc/sys/" + name
		value, err := os.ReadFile(setting)
		if errors.Is(err, os.ErrNotExist) {
			continue // this kernel does not have it
		}
		if err != nil {
			return err
		}
		shadow := filepath.Join(dir, strings.ReplaceAll(name, "/", "."))
		if err := os.WriteFile(shadow, value, 0o600); err != nil {
			return err
		}
		if err := unix.Mount(shadow, setting, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("shadow %s: %w", setting, err)
		}
	}
	return nil
}

// raiseLoopback brings the loopback interface up and gives it the node's address.
func raiseLoopback() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	defer unix.Close(socket)
	for _, step := range []struct {
		name    string
		request uint
		set     func(*unix.Ifreq) error
	}{
		{"lo", unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOOPBACK); return nil }},
		{"lo:1", unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{10, 250, 1, 1}) }},
		{"lo:1", unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{255, 255, 255, 255}) }},
	} {
		request, err := unix.NewIfreq(step.name)
		if err == nil {
			err = step.set(request)
		}
		if err == nil {
			err = unix.IoctlIfreq(socket, step.request, request)
		}
		if err != nil {
			return fmt.Errorf("loopback: %w", err)
		}
	}
	return nil
}

// MountMemory mounts a tmpfs at dir that only its owner can access.
func MountMemory(dir string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700"); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	return nil
}
