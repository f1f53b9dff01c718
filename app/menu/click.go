package menu

import (
	"slices"

	"fairlead/app/session"
)

// A Click is what a click on an item asks for, as data. The zero Click asks for nothing.
type Click struct {
	Action   Action `json:"action"`
	Context  string `json:"context,omitempty"`  // whom it is about; empty: the program as a whole
	Argument string `json:"argument,omitempty"` // what the action says it is
}

// An Action is the kind of a click.
type Action string

// The actions about one context. Start, Toggle and Stop are session.Set with Confirmed, session.Toggle, and session.Set.
const (
	Toggle           Action = "toggle"
	Start            Action = "start" // of production, after it was asked
	Stop             Action = "stop"
	CopySOCKS5       Action = "copy-socks5"
	CopyHTTP         Action = "copy-http"
	CopyTLS          Action = "copy-tls" // the https URL of a proxy that takes TLS alone
	CopyPAC          Action = "copy-pac"
	CopySnippet      Action = "copy-snippet"      // Argument: the ID of a Choice in Extras.Snippets
	CopyService      Action = "copy-service"      // Argument: the text to copy
	CopyLogin        Action = "copy-login"        // Argument: the command that logs in
	OpenBrowser      Action = "open-browser"      // Argument: the ID of a Choice in Extras.Browsers
	OpenService      Action = "open-service"      // Argument: the URL, for the first of Extras.Browsers
	LoadServices     Action = "load-services"     // and namespaces
	SetNamespace     Action = "set-namespace"     // Argument: the namespace
	SetOutside       Action = "set-outside"       // Argument: direct or refuse
	SetProduction    Action = "set-production"    // Argument: true or false
	SetPassword      Action = "set-password"      // Argument: true or false
	SetAutoOff       Action = "set-auto-off"      // Argument: a time.Duration's text; 0s for never
	CloseConnections Action = "close-connections" // those that are open now
	LogIn            Action = "log-in"            // forget the credentials, and ask for them again
	OpenLog          Action = "open-log"
)

// The actions about the program.
const (
	StopAll       Action = "stop-all"
	SetAutostart  Action = "set-autostart"   // Argument: true or false
	SetNotify     Action = "set-notify"      // Argument: the ID of a Switch in Extras.Notifications, "=", and true or false
	OpenSettings  Action = "open-settings"   // the settings file
	OpenLogFolder Action = "open-log-folder" //
	CopyVersion   Action = "copy-version"    // Argument: the text to copy
	Quit          Action = "quit"            // the tray does it itself
)

// Find returns the item with this ID as it stands in the menu, if it can be clicked there: some desktops deliver clicks to items that
// are disabled or hidden by now.
func Find(items []Item, id string) (Item, bool) {
	for _, item := range items {
		if item.Hidden || item.Disabled {
			continue
		}
		if item.ID == id && item.Click != (Click{}) {
			return item, true
		}
		if found, ok := Find(item.Items, id); ok {
			return found, true
		}
	}
	return Item{}, false
}

// Failure is the title of what is said when a click on an item came to nothing.
func Failure(item Item) string {
	switch item.Click.Action {
	case CopySOCKS5, CopyHTTP, CopyTLS, CopyPAC, CopySnippet, CopyService, CopyLogin, CopyVersion:
		return "Not copied"
	case OpenBrowser, OpenService, OpenLog, OpenLogFolder, OpenSettings:
		return "Not opened"
	}
	return "Not done: " + oneLine(item.Title)
}

// URL is the address of a context's proxy as programs of this machine set it, without a password: for SOCKS5 with names left to the
// proxy, or for HTTPS where it takes TLS alone. It is empty while there is none.
func URL(c session.State) string {
	if c.TLS {
		return proxyURL("https", c)
	}
	return proxyURL("socks5h", c)
}

func proxyURL(scheme string, c session.State) string {
	if c.Address == "" {
		return ""
	}
	return scheme + "://" + session.DialAddress(c.Address)
}

// Context returns the state of one context.
func Context(s session.Snapshot, name string) (session.State, bool) {
	at := slices.IndexFunc(s.Contexts, func(c session.State) bool { return c.Name == name })
	if at < 0 {
		return session.State{}, false
	}
	return s.Contexts[at], true
}
