package explain

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/textproto"

	"fairlead/kube/fault"
)

// lacks returns the explanation of a fault of this machine, for what it lacks.
func lacks(what fault.Lack) func(error) (words, bool) {
	return func(err error) (words, bool) {
		machine := fault.OfMachine(err)
		if machine == nil || machine.Lack != what {
			return words{}, false
		}
		return lacking[what], true
	}
}

var lacking = map[fault.Lack]words{
	fault.LackFiles: {
		"Too many open files", "There are too many open files on this machine: Fairlead may open no more.",
		"Close some connections, or start Fairlead with a higher limit (ulimit -n).",
	},
	fault.LackAllFiles: {
		"Too many open files", "There are too many open files on this machine: no program can open more.",
		"Close programs, or raise the system's limit (fs.file-max on Linux).",
	},
	fault.LackMemory: {
		"Out of memory", "This machine has no memory left for another connection.", "Close some programs.",
	},
	fault.LackAddress: {
		"No local port left", "This machine has no address or port of its own left for the connection.",
		"Many connections may be open, or have just been closed: wait a minute. Or this machine has no address of that kind (IPv6).",
	},
	fault.LackPermission: {
		"Not allowed", "This machine does not allow the connection.", "A firewall on it may forbid it, or a sandbox that Fairlead runs in.",
	},
}

// listen explains a port of this machine that could not be opened.
func listen(err error) (words, bool) {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "listen" {
		return words{}, false
	}
	address := "its address"
	if op.Addr != nil {
		address = name(op.Addr.String())
	}
	e := words{
		title:    "Cannot listen",
		sentence: fmt.Sprintf("Fairlead cannot listen on %s.", address),
		hint:     "Check that the address is one of this machine.",
	}
	switch {
	case isAny(wordsTaken...)(err):
		e.title = "Port taken"
		e.sentence = fmt.Sprintf("%s already listens on %s.", holder(err), address)
		e.hint = "Stop that program, then try again, or give the context another port in the settings."
		if isLocalPort(err) {
			e.hint = "Stop that program, or choose another local port."
		}
	case isAny(wordsForbidden...)(err):
		e.sentence = fmt.Sprintf("This machine does not let Fairlead listen on %s.", address)
		e.hint = "Ports below 1024, and ports the system keeps for itself, need more rights."
		if isLocalPort(err) {
			e.hint = "Choose a local port above 1023: those below, and ports the system keeps for itself, need more rights."
		}
	}
	return e, true
}

// isLocalPort reports whether err is about a fixed local port, and not about the port of a proxy.
func isLocalPort(err error) bool {
	_, ok := errors.AsType[interface {
		error
		LocalPort()
	}](err)
	return ok
}

// holder returns the program that has a port, if err knows it.
func holder(err error) string {
	known, ok := errors.AsType[interface {
		error
		Holder() (program string, pid int)
	}](err)
	if !ok {
		return "Another program"
	}
	program, pid := known.Holder()
	return fmt.Sprintf("The program %s, process %d,", name(program), pid)
}

// AsRoot returns what a user should know of a Fairlead that has root's rights, in plain sentences. by is the user who has
// given them by sudo, or empty.
func AsRoot(by string) string {
	if by == "" {
		return "Fairlead runs as root, and so do the credential plugins, browsers and terminals that it starts. It does not need root."
	}
	return fmt.Sprintf("Fairlead runs as root, by sudo: it reads root's kubeconfig, and credential plugins, browsers and terminals "+
		"that it starts have root's rights. It does not need root: start it as %s.", name(by))
}

// path explains a file that could not be used.
func path(p *fs.PathError) words {
	e := words{
		title:    "File unusable",
		sentence: fmt.Sprintf("The file %s cannot be used.", name(p.Path)),
	}
	switch {
	case errors.Is(p.Err, fs.ErrNotExist):
		e.title = "No such file"
		e.sentence = fmt.Sprintf("There is no file %s.", name(p.Path))
	case errors.Is(p.Err, fs.ErrPermission):
		e.sentence = fmt.Sprintf("You have no right to the file %s.", name(p.Path))
	}
	return e
}

// lookup explains a name that this machine's own DNS does not resolve, for targets outside a cluster.
func lookup(d *net.DNSError) words {
	e := words{
		title:    "Name not found",
		sentence: fmt.Sprintf("No host is named %s.", name(d.Name)),
		hint:     "Check the name.",
	}
	if !d.IsNotFound {
		e.title = "Name lookup failed"
		e.sentence = fmt.Sprintf("The name %s could not be looked up.", name(d.Name))
		e.hint = "Check the network connection or the VPN."
	}
	return e
}

// notHTTP explains a target of a plain-HTTP request whose answer is not HTTP. net/textproto defines the error for
// answers that cannot be parsed.
func notHTTP(e textproto.ProtocolError) words {
	x := words{
		title:    "No HTTP there",
		sentence: "What answers at the target does not speak HTTP.",
		hint:     "Reach it through this proxy by SOCKS or CONNECT, with the program that is made for it.",
	}
	switch e {
	case speaksTLS:
		x.sentence = "What answers at the target speaks TLS, and not plain HTTP."
		x.hint = "Ask for it by https://."
	case breaksRules:
		x.title = "Wrong answer"
		x.sentence = "What the target answered breaks the rules of HTTP, and Fairlead cannot pass it on."
		x.hint = "The program there is at fault: its log may say more."
	}
	return x
}

// Beginnings of answers of targets that do not speak plain HTTP, or not correctly.
const (
	speaksTLS   = textproto.ProtocolError("the answer is TLS")
	breaksRules = textproto.ProtocolError("the answer breaks the rules of HTTP")
	largeHead   = textproto.ProtocolError("the head of the answer is too large")
)

// permission explains a refusal on this machine: by a rule of the proxy, whose text says which rule and what it
// refused, or by the system, which has only a number.
func permission(err error) (words, bool) {
	if !isAny(wordsForbidden...)(err) {
		return words{}, false
	}
	e := words{title: "Not allowed"}
	if cause := wrapperOf(err, fs.ErrPermission); cause != nil {
		e.sentence = sentence(cause.Error())
		return e, true
	}
	e.sentence = "This machine does not allow the connection."
	e.hint = "A firewall may forbid it."
	return e, true
}
