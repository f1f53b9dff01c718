package instance

import (
	"cmp"
	"fmt"
	"io"
	"os"

	"fairlead/app/explain"
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
		return Root{Warning: explain.AsRoot("")}
	}
	return Root{Sudo: true, Warning: explain.AsRoot(user)}
}

// Print prints the warning, if there is one, as one line.
func (r Root) Print(to io.Writer) {
	if r.Warning != "" {
		fmt.Fprintln(to, "fairlead:", r.Warning)
	}
}
