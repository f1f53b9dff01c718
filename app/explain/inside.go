package explain

import (
	"fmt"

	"fairlead/app/netns"
)

// NotInside explains why no program can run inside a context's network, and says what to do about it.
func NotInside(e *netns.Error) Explanation {
	sentence, hint := notInside(e)
	return Explanation{Title: "Not run inside", Sentence: sentence, Hint: hint}
}

func notInside(e *netns.Error) (sentence, hint string) {
	switch e.Cause {
	case netns.Unsupported:
		return "A program can have a network of its own on Linux only.", "With --fallback env it gets proxy variables."
	case netns.AppArmor:
		return "This machine's AppArmor keeps programs that have no profile from namespaces of their own.",
			"Give Fairlead one (fairlead help run has it), or let all programs have them: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0."
	case netns.Sysctl:
		return "This machine keeps users from namespaces of their own (kernel.unprivileged_userns_clone).",
			"Allow them: sudo sysctl kernel.unprivileged_userns_clone=1."
	case netns.Limit:
		return "This machine has no room for another namespace (user.max_user_namespaces).", "Raise it: sudo sysctl user.max_user_namespaces=15000."
	case netns.Container:
		return "Something keeps this program from namespaces of its own; in a container, that is its filter of system calls.",
			"With Docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined --device /dev/net/tun."
	case netns.NoDevice:
		return "There is no /dev/net/tun.", "Load it: sudo modprobe tun. In a container: --device /dev/net/tun."
	case netns.Device:
		return "You may not open /dev/net/tun.", "Most systems let everybody: sudo chmod 666 /dev/net/tun."
	}
	return fmt.Sprintf("The network of the program cannot be made: %v.", e), ""
}
