package proxy

import (
	"fmt"
	"io"
	"syscall"
)

// A NoAnswerError is a plain-HTTP request whose connection ended before a byte of an answer came. GET and HEAD without a
// body have then been sent once more, on a new connection (RFC 9110 9.2.2); of others nobody knows what the target did.
type NoAnswerError struct {
	Target   string // host:port
	Repeated bool   // the request was sent twice
	Err      error  // what ended the connection
}

func (e *NoAnswerError) Error() string {
	if e.Repeated {
		return fmt.Sprintf("%s closed two connections without an answer: %v", e.Target, e.Err)
	}
	return fmt.Sprintf("%s closed the connection without an answer: %v", e.Target, e.Err)
}

// Unwrap returns what ended the connection.
func (e *NoAnswerError) Unwrap() error { return e.Err }

// Unanswered returns the target, and whether it was asked twice.
func (e *NoAnswerError) Unanswered() (target string, repeated bool) { return e.Target, e.Repeated }

// wordsUnanswered are the words of package net for a connection that is over, or that never was.
var wordsUnanswered = []error{
	io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, wsaAborted, wsaReset,
	syscall.ECONNREFUSED, syscall.EHOSTUNREACH, wsaRefused, wsaHostUnreachable,
}
