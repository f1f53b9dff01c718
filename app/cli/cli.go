// Package cli implements the commands, except the tray: it prints, queries the running Fairlead through its control
// socket, or runs contexts in the foreground. Package command parses the command line.
package cli

import (
	"os"

	"fairlead/app/command"
	"fairlead/app/instance"
	"fairlead/app/table"
)

// Actions returns what the commands do, except for the tray.
func Actions() command.Actions {
	return command.Actions{
		Serve:           Serve,
		Gateway:         Gateway,
		List:            List,
		On:              On,
		Off:             Off,
		Restart:         Restart,
		Status:          Status,
		Connections:     Connections,
		Close:           CloseConnections,
		Services:        Services,
		LogIn:           LogIn,
		Quit:            Quit,
		Env:             Env,
		Open:            OpenBrowser,
		Logs:            Logs,
		Doctor:          Doctor,
		Forward:         Forward,
		Forwards:        Forwards,
		Unforward:       Unforward,
		EgressDeploy:    EgressDeploy,
		EgressStatus:    EgressStatus,
		EgressRemove:    EgressRemove,
		EgressManifest:  EgressManifest,
		SettingsExample: SettingsExample,
		SettingsPath:    SettingsPath,
		SettingsCheck:   SettingsCheck,
		Names:           Names,
		Running:         Running,
		For:             SnippetKinds,
		Fit:             func(text string) string { return table.For(os.Stdout).Fit(text) },
		Version:         instance.Version(),
	}
}
