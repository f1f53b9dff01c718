// Package explain turns an error into what a person or a client program is told of it: a title, a sentence, a hint, the
// reply codes of SOCKS5 and SOCKS4, an HTTP status and an error type for the header Proxy-Status. Every sentence for
// users is in this package, and table.go has one row per cause, so that the log, the HTTP answer, the menu and the
// notification never disagree. A web page may read an HTTP answer, so each row also says what of it is public (public.go).
//
// It decides nothing about who is told, and when: that is notify's, the menu's and the proxy's. It does not import the
// packages whose errors it explains, save kube/fault: the others speak the words of package net and of the system.
package explain

import "strings"

// Explanation is what is told of one error. The zero value, which stands for no error, has no text and says success in
// SOCKS5 (0).
type Explanation struct {
	Title    string // two to four words, no full stop: "No such port"
	Sentence string // what failed and why, with a full stop
	Hint     string // what to do about it, one or two sentences; may be empty

	// PublicSentence and PublicHint stand in their place where a web page may read them: they tell of the target that it
	// asked for, and name no API server, context, user, node, program or file, and nothing else of the cluster.
	PublicSentence, PublicHint string

	SOCKS5      byte   // the reply code of RFC 1928, section 6
	SOCKS4      byte   // the reply code of SOCKS4: 91, or 93 where a user is asked for
	Status      int    // the HTTP status
	ProxyStatus string // the error type of RFC 9209, section 2.3, for the header Proxy-Status: "dns_error"
}

// Text is the sentence and the hint on one line, without a line break: the body of an HTTP answer.
func (e Explanation) Text() string {
	return strings.TrimSuffix(e.Sentence+" "+e.Hint, " ")
}

// Public is Text for a web page.
func (e Explanation) Public() string {
	return strings.TrimSuffix(e.PublicSentence+" "+e.PublicHint, " ")
}

// kubectl is how the commands in hints begin.
const kubectl = "\u201ckubectl "

// In is e with the context named in the commands that the hint offers: the current one may be another.
func (e Explanation) In(context string) Explanation {
	if simple(context) && !strings.Contains(e.Hint, "--context") {
		e.Hint = strings.ReplaceAll(e.Hint, kubectl, kubectl+"--context "+context+" ")
	}
	return e
}

// For is e with the target named that a client asked for, where the error did not know it.
func (e Explanation) For(target string) Explanation {
	target = name(target)
	for _, unnamed := range []string{"The target ", " the target "} {
		named := strings.Replace(unnamed, strings.TrimSpace(unnamed), target, 1)
		e.Sentence = strings.Replace(e.Sentence, unnamed, named, 1)
		e.PublicSentence = strings.Replace(e.PublicSentence, unnamed, named, 1)
	}
	return e
}

// Error explains err. It understands kube/fault's types, then the words of net, os and syscall, wherever they are in
// err's tree; of anything else it repeats the text, cleaned as by Plain. A nil err gives the zero Explanation.
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

// ShortLength is the greatest length in characters of what Short returns.
const ShortLength = 100

// Short is Error's sentence in at most ShortLength characters, for one line of a menu. It is empty for a nil err.
func Short(err error) string {
	return cut(Error(err).Sentence, ShortLength)
}
