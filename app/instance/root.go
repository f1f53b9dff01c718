package instance

import (
	"cmp"
	"fmt"
	"io"
	"os"
)

// Root is what a user should know about a program that has root's rights.
type Root struct {
	Warning string // in plain sentences; empty without these rights
	Sudo    bool   // another user has given them, and could do without; otherwise root has logged in, or is the only user
}

// AsRoot returns what there is to say about the rights of this process.
func AsRoot() Root { return asRoot(os.Geteuid(), os.Getenv) }

func asRoot(uid int, getenv func(name string) string) Root {
	if uid != 0 {
		return Root{}
	}
	user := cmp.Or(getenv("SUDO_USER"), getenv("DOAS_USER"))
	if id := getenv("PKEXEC_UID"); user == "" && id != "" && id != "0" {
		user = "user " + id
	}
	if user == "" || user == "root" {
		return Root{Warning: "Fairlead runs as root, and so do the credential plugins, browsers and terminals that it starts. It does not need root."}
	}
	return Root{Sudo: true, Warning: fmt.Sprintf("Fairlead runs as root, by sudo: it reads root's kubeconfig, and credential plugins, browsers and terminals "+
		"that it starts have root's rights. It does not need root: start it as %s.", user)}
}

// Print prints the warning, if there is one, as one line.
func (r Root) Print(to io.Writer) {
	if r.Warning != "" {
		fmt.Fprintln(to, "fairlead:", r.Warning)
	}
}
