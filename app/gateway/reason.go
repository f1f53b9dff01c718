package gateway

import (
	"errors"
	"io/fs"
	"net"
	"syscall"

	"fairlead/app/explain"
	"fairlead/app/session"
	"fairlead/kube/fault"
)

// windowsAddressInUse is WSAEADDRINUSE, for which package syscall has no constant.
const windowsAddressInUse = syscall.Errno(10048)

// Reason returns the model's description of what is wrong with a context as a whole. It is used as a session.Config's
// Reason.
func Reason(err error) session.Reason {
	said := explain.Error(err)
	r := session.Reason{Title: said.Title, Text: said.Sentence, Hint: said.Hint}
	login, loggedOut := errors.AsType[*fault.Login](err)
	_, unreachable := errors.AsType[*fault.Unreachable](err)
	_, blocked := errors.AsType[*fault.Blocked](err)
	switch {
	case loggedOut:
		r.Trouble, r.Login = session.LoginNeeded, login.Command
		if login.Cause == fault.PluginMissing || login.Cause == fault.PluginDenied || login.Cause == fault.PluginNew {
			r.Login = "" // a login does not help when the program that would use it is missing
		}
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, windowsAddressInUse):
		r.Trouble = session.PortTaken
	case unreachable, blocked:
		r.Trouble = session.Unreachable
	case isListening(err):
		r.Trouble = session.CannotListen
	case forUser(err):
		r.Trouble = session.Unusable
	}
	return r
}

// forUser reports whether err is about something that the user has written: an entry of the kubeconfig, or the path of a
// file.
func forUser(err error) bool {
	_, entry := errors.AsType[*fault.Kubeconfig](err)
	_, file := errors.AsType[*fs.PathError](err)
	return entry || file
}

// isListening reports whether err is about an address to listen at.
func isListening(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "listen"
}
