package explain

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"

	"fairlead/kube/fault"
)

func login(e *fault.Login) words {
	context := name(e.Context)
	x := words{
		title:    "Login needed",
		sentence: fmt.Sprintf("The cluster does not accept the login of context %s%s.", context, reason(e.Err)),
		hint:     "Sign in again, the way this context's kubeconfig was made; then switch the context off and on.",
	}
	if e.Plugin == "" {
		return x
	}
	program := fmt.Sprintf("The program %s, which signs in to context %s,", name(e.Plugin), context)
	x.title = "Login plugin failed"
	x.hint = try(e.Context)
	switch {
	case missing(e.Err):
		x.title = "Login plugin missing"
		x.sentence = program + " was not found on this machine."
		x.hint = "Install it, or put its folder on the PATH that Fairlead is started with."
	case timedOut(e.Err):
		x.sentence = program + " did not finish in time."
	default:
		x.sentence = program + " failed" + reason(e.Err) + "."
	}
	return x
}

// missing tells whether a program was not there to be run. client-go hands on no more than its text.
func missing(err error) bool {
	return errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) ||
		err != nil && strings.HasSuffix(err.Error(), "not found")
}

// reason is what err says about a login, after a colon, if those are a few plain words. All else may quote what a
// plugin printed, which may be a credential.
func reason(err error) string {
	const mostWords, longestWord = 16, 15
	if err == nil {
		return ""
	}
	words := strings.Split(strings.TrimSuffix(err.Error(), "."), " ")
	for _, word := range words {
		if len(words) > mostWords || len(word) > longestWord || strings.Trim(strings.TrimSuffix(word, ","), wordLetters) != "" {
			return ""
		}
	}
	return ": " + strings.Join(words, " ")
}

const wordLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'-"

// try says how to see more of a login that fails.
func try(context string) string {
	if !simple(context) {
		return "Run kubectl with this context in a terminal to see what it says."
	}
	return fmt.Sprintf("Run \u201ckubectl --context %s version\u201d in a terminal to see what it says.", context)
}
