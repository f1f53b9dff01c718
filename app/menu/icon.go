package menu

import "fairlead/app/session"

// ProductionIcon is the name of the mark of production. With it, and a hyphen, end the names of the icons that carry it.
const ProductionIcon = "production"

// Icon returns the name of the icon for the state: its sign, with a mark while a production context is on.
func Icon(s session.Snapshot) string {
	icon := string(s.Sign())
	if s.Production() {
		icon += "-" + ProductionIcon
	}
	return icon
}
