package netns

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"testing"
)

func TestWhatStandsInTheWayIsFound(t *testing.T) {
	const apparmor, clone = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "/proc/sys/kernel/unprivileged_userns_clone"
	for _, c := range []struct {
		step     Step
		err      error
		settings map[string]string
		want     Cause
	}{
		{StepDevice, syscall.ENOENT, nil, NoDevice},
		{StepDevice, syscall.ENODEV, nil, NoDevice},
		{StepDevice, syscall.EACCES, nil, Device},
		{StepDevice, syscall.EPERM, map[string]string{apparmor: "1\n"}, AppArmor},
		{StepNamespaces, syscall.ENOSPC, nil, Limit},
		{StepNamespaces, syscall.EPERM, nil, Container},
		{StepNamespaces, syscall.EPERM, map[string]string{clone: "0\n", apparmor: "0\n"}, Sysctl},
		{StepNetwork, syscall.EPERM, map[string]string{clone: "1\n", apparmor: "1\n"}, AppArmor},
		{StepFiles, fmt.Errorf("mount: %w", syscall.EACCES), map[string]string{apparmor: "1\n"}, AppArmor},
		{StepFiles, syscall.ENOENT, nil, ""},
	} {
		got := causeOf(c.step, c.err, func(file string) string { return c.settings[file] })
		if got != c.want {
			t.Errorf("%s: %v with %q: %q, want %q", c.step, c.err, c.settings, got, c.want)
		}
	}
}

func TestOnlyTheLineOfHostsIsSwitched(t *testing.T) {
	const text = "passwd: files\nhosts:   files mdns4_minimal [NOTFOUND=return] resolve dns\n# hosts: x\nnetworks: files\n"
	const want = "passwd: files\nhosts: files dns\n# hosts: x\nnetworks: files\n"
	if got := withHostsByDNS(text); got != want {
		t.Errorf("got:\n%s", got)
	}
}

func TestResolvConf(t *testing.T) {
	got := resolvConf(Config{Nameservers: []netip.Addr{netip.MustParseAddr("198.18.0.2")}, Search: []string{"a.svc", "b"}})
	if want := "nameserver 198.18.0.2\nsearch a.svc b\noptions timeout:5 attempts:2\n"; got != want {
		t.Errorf("got:\n%s", got)
	}
}

func TestChildrenOfChildrenAreFound(t *testing.T) {
	if found := descendants(os.Getppid()); len(found) == 0 {
		t.Error("this process does not descend from its parent")
	}
	if found := descendants(os.Getpid()); len(found) != 0 {
		t.Errorf("%d descend from this process", found)
	}
}
