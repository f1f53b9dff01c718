// Package explain turns an error into what a person or a client program is told of it: a title, a sentence, a hint, a
// SOCKS5 reply code and an HTTP status. Every sentence for users is in this package, one row per cause, so that the
// log, the HTTP answer, the menu and the notification never disagree.
//
// It decides nothing about who is told, and when: that is notify's, the menu's and the proxy's. It does not import the
// packages whose errors it explains, save kube/fault: the others speak the words of package net and of the system.
package explain

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
)

// Explanation is what is told of one error. The zero value, which stands for no error, has no text and says success in
// SOCKS5 (0).
type Explanation struct {
	Title    string // two to four words, no full stop: "No such port"
	Sentence string // what failed and why, with a full stop
	Hint     string // what to do about it, one or two sentences; may be empty
	SOCKS5   byte   // the reply code of RFC 1928, section 6
	Status   int    // the HTTP status
}

// Text is the sentence and the hint on one line, without a line break: the body of an HTTP answer.
func (e Explanation) Text() string {
	if e.Hint == "" {
		return e.Sentence
	}
	return e.Sentence + " " + e.Hint
}

// The reply codes of RFC 1928, section 6, that a cause can have.
const (
	generalFailure     = 1
	notAllowed         = 2
	networkUnreachable = 3
	hostUnreachable    = 4
	connectionRefused  = 5
	ttlExpired         = 6
)

// Error explains err. It understands kube/fault's types, then the words of net, os and syscall, wherever they are in
// err's tree; of anything else it repeats the text, cleaned as by Plain. A nil err gives the zero Explanation.
func Error(err error) Explanation {
	if err == nil {
		return Explanation{}
	}
	for _, row := range table() {
		if e, ok := row(err); ok {
			return e
		}
	}
	return Explanation{
		Title:    "Failed",
		Sentence: sentence(err.Error()),
		SOCKS5:   generalFailure,
		Status:   http.StatusBadGateway,
	}
}

// ShortLength is the greatest length in characters of what Short returns.
const ShortLength = 100

// Short is Error's sentence in at most ShortLength characters, for one line of a menu. It is empty for a nil err.
func Short(err error) string {
	return cut(Error(err).Sentence, ShortLength)
}

// table lists the causes. The first row that knows an error explains it, so what says most stands first: an error may
// hold several causes, and kube/fault's types contain the words of net that the last rows look for.
func table() []func(error) (Explanation, bool) {
	return []func(error) (Explanation, bool){
		typed(login),
		typed(unreachable),
		typed(forbidden),
		typed(notFound),
		typed(refused),
		typed(noEndpoints),
		typed(unsupported),
		typed(path),
		listen,
		when(timedOut, Explanation{
			Title:    "Timed out",
			Sentence: "The target did not answer in time.",
			Hint:     "It may be overloaded, or something on the way drops the connection.",
			SOCKS5:   ttlExpired,
			Status:   http.StatusGatewayTimeout,
		}),
		typed(lookup),
		when(isAny(wordsRefused...), Explanation{
			Title:    "Connection refused",
			Sentence: "The target refused the connection: nothing listens on that port.",
			SOCKS5:   connectionRefused,
			Status:   http.StatusBadGateway,
		}),
		when(isAny(wordsNoNetwork...), Explanation{
			Title:    "Network unreachable",
			Sentence: "No network leads to the target.",
			Hint:     "Check the network connection or the VPN.",
			SOCKS5:   networkUnreachable,
			Status:   http.StatusBadGateway,
		}),
		when(isAny(wordsNoHost...), Explanation{
			Title:    "Host unreachable",
			Sentence: "The target cannot be reached.",
			Hint:     "Check the address, and the network connection or the VPN.",
			SOCKS5:   hostUnreachable,
			Status:   http.StatusBadGateway,
		}),
		when(isAny(wordsCut...), Explanation{
			Title:    "Connection lost",
			Sentence: "The connection was closed from the other side.",
			SOCKS5:   generalFailure,
			Status:   http.StatusBadGateway,
		}),
		permission,
		when(isAny(errors.ErrUnsupported), Explanation{
			Title:    "Cannot be carried",
			Sentence: "Fairlead cannot carry this kind of connection.",
			SOCKS5:   hostUnreachable,
			Status:   http.StatusBadGateway,
		}),
		when(isAny(context.Canceled), Explanation{
			Title:    "Given up",
			Sentence: "The connection was given up before it was made.",
			SOCKS5:   generalFailure,
			Status:   http.StatusBadGateway,
		}),
	}
}

// typed is the row of one error type.
func typed[E error](explain func(E) Explanation) func(error) (Explanation, bool) {
	return func(err error) (Explanation, bool) {
		e, ok := errors.AsType[E](err)
		if !ok {
			return Explanation{}, false
		}
		return explain(e), true
	}
}

// when is a row whose explanation does not depend on the error's facts.
func when(is func(error) bool, e Explanation) func(error) (Explanation, bool) {
	return func(err error) (Explanation, bool) { return e, is(err) }
}

// permission explains what was refused on this machine: by a rule of the proxy, whose own text says which and what, or
// by the system, which says only a number.
func permission(err error) (Explanation, bool) {
	if !isAny(wordsForbidden...)(err) {
		return Explanation{}, false
	}
	e := Explanation{Title: "Not allowed", SOCKS5: notAllowed, Status: http.StatusForbidden}
	if cause := beneath(err, fs.ErrPermission); cause != nil {
		e.Sentence = sentence(cause.Error())
		return e, true
	}
	e.Sentence = "This machine does not allow the connection."
	e.Hint = "A firewall may forbid it."
	return e, true
}

// beneath is the error in err's tree that wraps word itself, or nil if none does.
func beneath(err, word error) error {
	switch x := err.(type) {
	case interface{ Unwrap() error }:
		next := x.Unwrap()
		if next == word {
			return err
		}
		return beneath(next, word)
	case interface{ Unwrap() []error }:
		for _, next := range x.Unwrap() {
			if found := beneath(next, word); found != nil {
				return found
			}
		}
	}
	return nil
}
