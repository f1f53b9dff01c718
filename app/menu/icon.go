package menu

import "fairlead/app/session"

// Icon returns the name of the icon for the state: its sign, with a mark while a production context is on.
func Icon(s session.Snapshot) string { return s.Sign().Picture(s.Production()) }
