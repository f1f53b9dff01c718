package menu

import (
	"strings"

	"fairlead/app/session"
)

// A Click is the request that a click on an item makes, as data. The zero Click makes none.
type Click struct {
	Action   Action `json:"action"`
	Context  string `json:"context,omitempty"`  // the context it is about; empty for the program
	Argument string `json:"argument,omitempty"` // as the Action says
}

// An Action is the kind of a click.
type Action string

// Actions on one context. TurnOn, Start and Stop are session.Set, Start with Confirmed.
const (
	TurnOn           Action = "turn-on"   // fails if it is a production context by now
	Start            Action = "start"     // a production context, after a confirmation
	StartFor         Action = "start-for" // like Start; Argument: the time.Duration, as text, after which it stops by itself
	Stop             Action = "stop"
	Restart          Action = "restart"
	CopySOCKS5       Action = "copy-socks5"
	CopyHTTP         Action = "copy-http"
	CopyTLS          Action = "copy-tls" // the https URL of a proxy that accepts only TLS
	CopyPAC          Action = "copy-pac"
	CopySnippet      Action = "copy-snippet"      // Argument: the ID of a Choice in Extras.Snippets
	CopyService      Action = "copy-service"      // Argument: the text to copy
	CopyLogin        Action = "copy-login"        // Argument: the command that logs in
	CopyMessage      Action = "copy-message"      // Argument: the text to copy
	RunLogin         Action = "run-login"         // Argument: the command that logs in, for a terminal
	Diagnose         Action = "diagnose"          // in a terminal
	OpenTerminal     Action = "open-terminal"     // whose programs use the proxy
	OpenBrowser      Action = "open-browser"      // Argument: the ID of a Choice in Extras.Browsers
	OpenService      Action = "open-service"      // Argument: the URL, for the first of Extras.Browsers
	AddForward       Action = "add-forward"       // Argument: an address to listen at, a target, and tcp or http, with spaces between
	RemoveForward    Action = "remove-forward"    // Argument: the address
	LoadServices     Action = "load-services"     // Services and namespaces
	SetNamespace     Action = "set-namespace"     // Argument: the namespace
	SetOutside       Action = "set-outside"       // Argument: direct, refuse, or an upstream
	ConfirmEgress    Action = "confirm-egress"    // that a forward proxy may be deployed in the cluster of a production context
	DeployEgress     Action = "deploy-egress"     // and make it the route of hosts outside; Argument: the namespace
	SetProduction    Action = "set-production"    // Argument: true or false
	SetPassword      Action = "set-password"      // Argument: true or false
	SetAutoOff       Action = "set-auto-off"      // Argument: a time.Duration as text; 0s for never
	CloseConnections Action = "close-connections" // all that are open now
	LogIn            Action = "log-in"            // discard the credentials, and fetch new ones
	OpenLog          Action = "open-log"
)

// Actions on the program.
const (
	StopAll       Action = "stop-all"
	SetAutostart  Action = "set-autostart"   // Argument: true or false
	SetNotify     Action = "set-notify"      // Argument: the ID of a Switch in Extras.Notifications, "=", and true or false
	OpenSettings  Action = "open-settings"   // the settings file
	OpenLogFolder Action = "open-log-folder" //
	CopyVersion   Action = "copy-version"    // Argument: the text to copy
	CopyURL       Action = "copy-url"        // of the context that is on and was switched on last
	Quit          Action = "quit"            // handled by the tray

	// OpenKubeconfig may be about a context, too. Argument: the path of the file.
	OpenKubeconfig Action = "open-kubeconfig"
)

// CopyURLOf returns the action that copies a context's URL, which depends on whether clients must use TLS.
func CopyURLOf(c session.State) Action {
	if c.TLS {
		return CopyTLS
	}
	return CopySOCKS5
}

// Failure returns the title of the notification that a click on an item failed.
func Failure(item Item) string {
	switch item.Click.Action {
	case CopySOCKS5, CopyHTTP, CopyTLS, CopyPAC, CopySnippet, CopyService, CopyLogin, CopyMessage, CopyVersion, CopyURL:
		return "Not copied"
	case OpenBrowser, OpenService, OpenTerminal, RunLogin, Diagnose, OpenKubeconfig, OpenLog, OpenLogFolder, OpenSettings:
		return "Not opened"
	case AddForward:
		return "Not forwarded"
	case DeployEgress:
		return "Not deployed"
	}
	return "Not done: " + oneLine(item.Title)
}

// Opened returns the context whose cluster the submenu with this ID shows, and whether there is one. What it shows must be
// loaded first.
func Opened(id string) (context string, ok bool) {
	for _, prefix := range []string{servicesID, namespacesID} {
		if context, ok := strings.CutPrefix(id, prefix); ok {
			return context, true
		}
	}
	return "", false
}
