package explain

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
)

// listen explains a port of this machine that could not be opened.
func listen(err error) (Explanation, bool) {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "listen" {
		return Explanation{}, false
	}
	address := "its address"
	if op.Addr != nil {
		address = name(op.Addr.String())
	}
	e := Explanation{
		Title:    "Cannot listen",
		Sentence: fmt.Sprintf("Fairlead cannot listen on %s.", address),
		Hint:     "Check that the address is one of this machine.",
		SOCKS5:   generalFailure,
		Status:   http.StatusBadGateway,
	}
	switch {
	case isAny(wordsTaken...)(err):
		e.Title = "Port taken"
		e.Sentence = fmt.Sprintf("Another program already listens on %s.", address)
		e.Hint = "Stop that program, then start the context again."
	case isAny(wordsForbidden...)(err):
		e.Sentence = fmt.Sprintf("This machine does not let Fairlead listen on %s.", address)
		e.Hint = "Ports below 1024, and ports the system keeps for itself, need more rights."
	}
	return e, true
}

// path explains a file that could not be used.
func path(p *fs.PathError) Explanation {
	e := Explanation{
		Title:    "File unusable",
		Sentence: fmt.Sprintf("The file %s cannot be used.", name(p.Path)),
		SOCKS5:   generalFailure,
		Status:   http.StatusBadGateway,
	}
	switch {
	case errors.Is(p.Err, fs.ErrNotExist):
		e.Title = "No such file"
		e.Sentence = fmt.Sprintf("There is no file %s.", name(p.Path))
	case errors.Is(p.Err, fs.ErrPermission):
		e.Sentence = fmt.Sprintf("You have no right to the file %s.", name(p.Path))
	}
	return e
}

// lookup explains a name that this machine's own DNS does not resolve, for targets outside a cluster.
func lookup(d *net.DNSError) Explanation {
	e := Explanation{
		Title:    "Name not found",
		Sentence: fmt.Sprintf("No host is named %s.", name(d.Name)),
		Hint:     "Check the name.",
		SOCKS5:   hostUnreachable,
		Status:   http.StatusBadGateway,
	}
	if !d.IsNotFound {
		e.Title = "Name lookup failed"
		e.Sentence = fmt.Sprintf("The name %s could not be looked up.", name(d.Name))
		e.Hint = "Check the network connection or the VPN."
	}
	return e
}
