package menu

// Extras are what the menu says beyond the model's snapshot. What is left out has no line in the menu.
type Extras struct {
	Contexts      map[string]Extra // by the context's name
	Snippets      []Choice         // what there is to "Copy for"
	TLSSnippets   []Choice         // those for a proxy that wants a certificate
	Browsers      []Choice         // those found on this machine, the preferred one first
	Notifications []Switch         // the kinds of notifications
	Autostart     *bool            // whether Fairlead starts at login; nil: unknown here
	Settings      bool             // there is a settings file to open, or one can be written
	Version       string           // of Fairlead, with its name: "Fairlead v1.2"
	Lines         int              // how many the menu has room for, without those of submenus; 0: any number
}

// Extra is what the menu says of one context beyond its session.State.
type Extra struct {
	PAC         bool      // the proxy hands out a PAC file
	Connections int       // open now; for the tooltip alone, for a menu that changes all the time closes under the pointer
	Namespaces  []string  // those known, sorted; nil: not asked for yet
	Services    []Service // sorted by namespace and name; nil: not asked for yet
	Loading     bool      // they are being asked for
	LoadFailed  string    // why they could not be had, in one sentence
}

// A Choice is one of several things that a menu offers, by a name of the program's own and one for people.
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
