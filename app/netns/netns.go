// Package netns runs a program in namespaces of its own, as far as the network goes: everything that the program and its
// children send, except to their own loopback, arrives at one device, which is handed to the caller. Names are looked up
// at one nameserver behind that device, and not as the machine is configured. User, groups, files, terminal and process
// numbers are the machine's.
//
// No rights are needed for it where the system has user namespaces. A helper, which is this same program started
// again with Word as its first argument, makes the device inside and hands over its descriptor by a socket. The helper
// stays: it ends everything that the program started once the program or the caller has ended.
package netns

import (
	"fmt"
	"net/netip"
)

// Word is the first argument of the helper. Package main calls Inner when it sees it.
const Word = "netns-inner"

// Config describes the program to run, and the network that it sees.
type Config struct {
	Path string   // of the program
	Args []string // with the program's name as its first
	Env  []string

	Addresses   []netip.Prefix // of the program's end of the device, of IPv4 and IPv6
	MTU         int
	Nameservers []netip.Addr
	Search      []string // domains that short names are tried in
}

// A Step is what was being done when something failed.
type Step string

// The steps of Start and Run.
const (
	StepNamespaces Step = "create namespaces"
	StepDevice     Step = "open /dev/net/tun"
	StepNetwork    Step = "set up the network inside"
	StepFiles      Step = "replace the resolver's files inside"
	StepProgram    Step = "start the program"
	StepHelper     Step = "run the helper"
)

// An Error is a step that failed.
type Error struct {
	Step  Step
	Cause Cause // what stands in the way, if that is known
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Step, e.Err) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// A Cause is what prevents such namespaces on this machine.
type Cause string

// The causes.
const (
	Unsupported Cause = "unsupported" // this operating system has no such namespaces
	AppArmor    Cause = "apparmor"    // the rule of Ubuntu for user namespaces without a profile
	Sysctl      Cause = "sysctl"      // kernel.unprivileged_userns_clone is 0
	Limit       Cause = "limit"       // user.max_user_namespaces is reached or 0
	Container   Cause = "container"   // a filter of system calls, such as Docker's
	NoDevice    Cause = "no device"   // there is no /dev/net/tun
	Device      Cause = "device"      // it may not be opened
)
