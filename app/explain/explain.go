// Package explain turns an error into what a person or a client program sees of it: a title, a sentence, a hint, the
// reply codes of SOCKS5 and SOCKS4, an HTTP status and an error type for the header Proxy-Status. Every sentence for
// users is in this package, and table.go has one row per cause, so that the log, the HTTP response, the menu and the
// notification always agree. A web page may read an HTTP response, so each row also says what of it is public
// (public.go).
//
// It does not decide who sees it, and when: that is up to notify, the menu and the proxy. Of the packages whose errors
// it explains it imports only kube/fault: the others use errors of package net and of the system.
package explain

import "strings"

// Explanation is what is shown of one error. The zero value, which stands for no error, has no text, and its SOCKS5
// code means success (0).
type Explanation struct {
	Title    string // two to four words, no full stop: "No such port"
	Sentence string // what failed and why, with a full stop
	Hint     string // what to do about it, one or two sentences; may be empty

	// PublicSentence and PublicHint replace them where a web page may read them. They speak of the target that the page
	// requested, and name no API server, context, user, node, program or file, and nothing else of the cluster.
	PublicSentence, PublicHint string

	SOCKS5      byte   // the reply code of RFC 1928, section 6
	SOCKS4      byte   // the reply code of SOCKS4: 91, or 93 if a user is required
	Status      int    // the HTTP status
	ProxyStatus string // the error type of RFC 9209, section 2.3, for the header Proxy-Status: "dns_error"
}

// Text returns the sentence and the hint on one line, without a line break: the body of an HTTP response.
func (e Explanation) Text() string {
	return strings.TrimSuffix(e.Sentence+" "+e.Hint, " ")
}

// Public returns Text for a web page.
func (e Explanation) Public() string {
	return strings.TrimSuffix(e.PublicSentence+" "+e.PublicHint, " ")
}

// kubectl is the beginning of commands in hints.
const kubectl = "\u201ckubectl "

// In returns e with the context named in the commands of the hint, because another one may be the current context.
func (e Explanation) In(context string) Explanation {
	if simple(context) && !strings.Contains(e.Hint, "--context") {
		e.Hint = strings.ReplaceAll(e.Hint, kubectl, kubectl+"--context "+context+" ")
	}
	return e
}

// For returns e with the target that a client requested, if the error did not have it.
func (e Explanation) For(target string) Explanation {
	target = name(target)
	for _, unnamed := range []string{"The target ", " the target "} {
		named := strings.Replace(unnamed, strings.TrimSpace(unnamed), target, 1)
		e.Sentence = strings.Replace(e.Sentence, unnamed, named, 1)
		e.PublicSentence = strings.Replace(e.PublicSentence, unnamed, named, 1)
	}
	return e
}

// Error explains err. It knows kube/fault's types, and then errors of net, os and syscall, anywhere in err's tree. Of
// any other error it repeats the text, cleaned as by Plain. For a nil err it returns the zero Explanation.
func Error(err error) Explanation {
	if err == nil {
		return Explanation{}
	}
	for _, r := range table() {
		if said, ok := r.words(err); ok {
			return r.explanation(err, said)
		}
	}
	return unknown.explanation(err, words{title: "Failed", sentence: sentence(err.Error())})
}

// ShortLength is the greatest length of Short's result, in characters.
const ShortLength = 100

// Short returns Error's sentence in at most ShortLength characters, for one line of a menu. It is empty for a nil err.
func Short(err error) string {
	return cut(Error(err).Sentence, ShortLength)
}

// Within returns a sentence that names a context for a place that names it already, such as below its name.
func Within(sentence, context string) string {
	return strings.ReplaceAll(sentence, " context "+name(context), " this context")
}
