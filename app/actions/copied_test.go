package actions

import (
	"testing"

	"fairlead/app/menu"
)

func TestWhatWasCopiedIsNamed(t *testing.T) {
	for click, want := range map[menu.Click]string{
		{Action: menu.CopySOCKS5, Context: "kind-dev"}:                      "Copied the socks5h URL of kind-dev",
		{Action: menu.CopyHTTP, Context: "kind-dev"}:                        "Copied the http URL of kind-dev",
		{Action: menu.CopyTLS, Context: "kind-dev"}:                         "Copied the https URL of kind-dev",
		{Action: menu.CopyPAC, Context: "kind-dev"}:                         "Copied the PAC URL of kind-dev",
		{Action: menu.CopySnippet, Context: "kind-dev", Argument: "bash"}:   "Copied the setup of kind-dev for bash, zsh",
		{Action: menu.CopyService, Context: "kind-dev", Argument: "a.b:80"}: "Copied the address of a Service in kind-dev",
		{Action: menu.CopyLogin, Context: "kind-dev"}:                       "Copied the login command of kind-dev",
		{Action: menu.CopyMessage, Context: "kind-dev"}:                     "Copied the message about kind-dev",
		{Action: menu.CopyVersion}:                                          "Copied the version",
	} {
		if got := copiedTitle(click, click.Context); got != want {
			t.Errorf("%s: %q, want %q", click.Action, got, want)
		}
	}
}
