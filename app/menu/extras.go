package menu

import "fairlead/app/session"

// Extras are what the menu shows beyond the model's snapshot. Fields that are empty have no line in the menu.
type Extras struct {
	Contexts      map[string]Extra // by context name
	Snippets      []Choice         // the programs of "More to copy"
	TLSSnippets   []Choice         // the programs for a proxy that requires a certificate
	Browsers      []Choice         // the browsers found, the preferred one first
	Shell         Choice           // of Snippets, the one for the user's own shell; zero if that is unknown
	Terminal      bool             // a terminal window can be opened
	LoadsOnOpen   bool             // what is in a cluster is loaded when its submenu is opened, see Opened
	Upstreams     []string         // what hosts outside can be reached through, by the settings
	Notifications []Switch         // the kinds of notifications
	Autostart     *bool            // whether Fairlead starts at login; nil if unknown
	Settings      bool             // whether there is a settings file to open, or one can be written
	Version       string           // of Fairlead: "v1.2"
	Build         string           // what Fairlead says of its version, to copy: "fairlead v1.2 go1.26.0 linux/amd64"
	RootWarning   string           // why running as root is bad, in sentences; empty if it does not
	Sudo          bool             // it runs as root though its user could do without
	Lines         int              // how many rows the screen has room for, if submenus unfold in the menu; 0 if they do not
}

// A view is what is shown beyond the snapshot, and by which titles.
type view struct {
	Extras
	titles map[string]string // by context name
	shared []bool            // what they leave out, see titled
	known  []session.State   // the contexts that can be used, on or off
}

func viewOf(s session.Snapshot, x Extras) view {
	titles, shared := titled(s.Contexts)
	return view{Extras: x, titles: titles, shared: shared}
}

// title returns the title of a context, in which it differs from all others.
func (x view) title(c session.State) string { return x.titles[c.Name] }

// Extra is what the menu shows of one context beyond its session.State.
type Extra struct {
	PAC         bool      // the proxy serves a PAC file
	Connections int       // open now; shown only in the tooltip, because a menu that changes often closes under the pointer
	Namespaces  []string  // sorted; nil if not loaded yet
	Services    []Service // sorted by namespace and name; nil if not loaded yet
	Loading     bool      // they are being loaded
	LoadFailed  string    // why they could not be loaded, in one sentence

	Egress          bool     // there is a forward proxy of Fairlead's in the cluster, which is the upstream named Egress
	EgressProgress  string   // what its deployment waits for; empty while it is not being deployed
	EgressConfirmed bool     // the user has clicked ConfirmEgress
	TakenPorts      []uint16 // ports of this machine that a forward was refused for
}

// A Choice is one of several things that a menu offers, with an ID for the program and a title for people.
type Choice struct{ ID, Title string }

// A Switch is a Choice that is on or off.
type Switch struct {
	Choice
	On bool
}

// Service is a Service of the cluster with TCP ports.
type Service struct {
	Namespace string
	Name      string
	Ports     []Port
}

// Port is a port of a Service. Its name may be empty.
type Port struct {
	Number uint16
	Name   string
}
