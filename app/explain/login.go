package explain

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"time"

	"fairlead/kube/fault"
)

// newLogin is the hint for a login that no known command renews.
const newLogin = "The kubeconfig needs a new login: run the tool that wrote it again, or ask the cluster's administrator."

func login(e *fault.Login) words {
	if e.Plugin != "" {
		return plugin(e)
	}
	if e.Provider != "" {
		return identityProvider(e)
	}
	context := name(e.Context)
	x := words{
		title:    "Login needed",
		sentence: fmt.Sprintf("The cluster does not accept the login of context %s%s.", context, reason(e.Err)),
		hint:     newLogin,
	}
	switch e.Cause {
	case fault.LoginExpired:
		x.sentence = fmt.Sprintf("The login of context %s ran out at %s.", context, formatTime(e.Expired))
	case fault.LoginCertificate:
		x.sentence = fmt.Sprintf("The cluster does not accept the client certificate of context %s.", context)
	case fault.LoginFile:
		x.sentence = fmt.Sprintf("The token file of context %s cannot be read, or is empty.", context)
	case fault.LoginRenewal:
		x.sentence = fmt.Sprintf("The login of context %s has run out and cannot be renewed.", context)
	}
	if pasteable(e.Command) {
		x.hint = signIn(e.Command)
	}
	return x
}

// identityProvider explains an identity provider that does not renew a login.
func identityProvider(e *fault.Login) words {
	who := fmt.Sprintf("The identity provider %s, which renews the login of context %s,", name(e.Provider), name(e.Context))
	x := words{title: "Identity provider failed"}
	switch e.Cause {
	case fault.ProviderSilent:
		x.sentence = who + " did not answer in time."
		x.hint = "Check that this machine reaches it: a VPN may be needed."
	case fault.ProviderUnreachable:
		x.sentence = who + " cannot be reached" + reason(e.Err) + "."
		x.hint = "Check that this machine reaches it: a VPN may be needed."
	case fault.ProviderAuthority:
		x.sentence = who + " is not trusted."
		x.hint = "Check idp-certificate-authority in the kubeconfig."
	case fault.ProviderIssuer:
		x.sentence = who + " says that it is another one."
		x.hint = "Check idp-issuer-url in the kubeconfig."
	case fault.ProviderClient:
		x.sentence = who + " does not accept the kubeconfig's client" + reason(e.Err) + "."
		x.hint = "Check client-id and client-secret in the kubeconfig."
	case fault.ProviderRefused:
		x.title = "Login needed"
		x.sentence = who + " does not renew it" + reason(e.Err) + "."
		x.hint = newLogin
	default:
		x.sentence = who + " gave no usable answer" + reason(e.Err) + "."
		x.hint = "Try again later, and if it lasts, ask the people who run it."
	}
	return x
}

// formatTime formats a time in the user's time zone.
func formatTime(t time.Time) string { return t.Local().Format("15:04 on 2 January 2006") }

// plugin explains a plugin that does not provide a login.
func plugin(e *fault.Login) words {
	shown := e.Plugin
	if known := cause(e); known != fault.PluginMissing && known != fault.PluginDenied && known != fault.PluginNew {
		shown = shown[strings.LastIndexAny(shown, `/\`)+1:] // only those causes need the directory
	}
	program := fmt.Sprintf("The program %s, which logs in to context %s,", name(shown), name(e.Context))
	x := words{title: "Login plugin failed", hint: tryInTerminal(e)}
	switch cause(e) {
	case fault.PluginMissing:
		x.title = "Login plugin missing"
		x.sentence = program + " was not found on this machine."
		x.hint = install(e)
	case fault.PluginDenied:
		x.title = "Login plugin denied"
		x.sentence = program + " may not be run: your kuberc does not allow it."
		x.hint = "Add it to the credential plugins that your kuberc allows, if you trust it."
	case fault.PluginNew:
		x.title = "Login plugin is new"
		x.sentence = program + " is new in the kubeconfig, and was not run."
		x.hint = "If you trust it, click “Try again” in the context's menu, or switch the context off and on."
	case fault.PluginTerminal:
		x.title = "Login needed"
		x.sentence = program + " wants a terminal to ask in, which it cannot have in the background."
	case fault.PluginSilent:
		x.sentence = program + " did not finish in time; it may be waiting for you" + lastLine(e) + "."
	case fault.LoginExpired:
		x.title = "Login needed"
		x.sentence = fmt.Sprintf("%s gives a login that ran out at %s.", program, formatTime(e.Expired))
	case fault.PluginOutput:
		x.sentence = program + " printed no credentials that Kubernetes understands."
	default:
		x.sentence = program + " failed" + lastWords(e) + "."
	}
	return x
}

// cause returns what is wrong with a plugin, if necessary derived from the error's text.
func cause(e *fault.Login) fault.LoginCause {
	switch {
	case e.Cause != "":
		return e.Cause
	case missing(e.Err):
		return fault.PluginMissing
	case timedOut(e.Err):
		return fault.PluginSilent
	}
	return fault.PluginFailed
}

// missing reports whether a program could not be run because it does not exist. client-go passes on only its text.
func missing(err error) bool {
	return errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) ||
		err != nil && strings.HasSuffix(err.Error(), "not found")
}

// install says what to do about a missing plugin.
func install(e *fault.Login) string {
	hint := "Install it, or put its folder on the PATH that Fairlead is started with."
	if e.SearchPath != "" {
		hint += fmt.Sprintf(" It was looked for in %s.", Plain(e.SearchPath, textLength))
	}
	if e.Hint != "" {
		hint += " The kubeconfig says: " + sentence(e.Hint)
	}
	return hint
}

// lastWords returns the last output of a plugin, or how it ended, after a colon.
func lastWords(e *fault.Login) string {
	if line := lastLine(e); line != "" {
		return line
	}
	if e.Cause == fault.PluginFailed && e.Exit > 0 {
		return fmt.Sprintf(" with exit status %d", e.Exit)
	}
	return reason(e.Err)
}

// lastLine returns the last line that a plugin printed for its user, after a colon.
func lastLine(e *fault.Login) string {
	if detail := strings.TrimRight(withoutAdvice(Plain(e.Detail, textLength), e.Command), " .:"); detail != "" {
		return ": " + detail
	}
	return ""
}

// withoutAdvice returns what a plugin said before it named the command that the hint names as well.
func withoutAdvice(said, command string) string {
	if !pasteable(command) {
		return said
	}
	words := strings.Fields(command)
	at := strings.Index(said, strings.Join(words[:min(2, len(words))], " ")) // options may differ
	if at < 0 {
		return said
	}
	before := said[:at]
	return before[:max(strings.LastIndex(before, ". "), strings.LastIndex(before, ", "), strings.LastIndex(before, "; "), 0)]
}

// reason returns what err says about a login, after a colon, if that is a few plain words. Anything else may quote a
// plugin's output, which may be a credential.
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

// tryInTerminal says how to see more of a failing plugin.
func tryInTerminal(e *fault.Login) string {
	command := e.Command
	if !pasteable(command) {
		if !simple(e.Context) {
			return "Run kubectl with this context in a terminal: it logs in, or says why it cannot."
		}
		command = "kubectl version --context " + e.Context
	}
	return signIn(command)
}

// signIn returns the hint with a command line. Kubectl runs the plugin with a terminal, which may be all that it needs.
func signIn(command string) string {
	if strings.HasPrefix(command, "kubectl ") {
		return fmt.Sprintf("Run \u201c%s\u201d in a terminal: it logs in, or says why it cannot.", command)
	}
	return fmt.Sprintf("To log in, run \u201c%s\u201d in a terminal.", command)
}

// pasteable reports whether a command line means the same to any shell: plain words separated by spaces.
func pasteable(command string) bool {
	const most = 300
	return command != "" && len(command) <= most && command[0] != ' ' && strings.Trim(command, commandLetters+" =,+") == ""
}
