package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/explain"
	"fairlead/app/instance"
	"fairlead/app/menu"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/app/table"
	"fairlead/kube/kubeconfig"
)

// A contextLine is what the list command prints about one context. Scripts read its JSON form, which must not change.
type contextLine struct {
	Name       string        `json:"name"`
	Cluster    string        `json:"cluster"`
	Namespace  string        `json:"namespace"`
	Server     string        `json:"server,omitempty"`
	File       string        `json:"file"`
	Current    bool          `json:"current"`
	Production bool          `json:"production,omitempty"`
	Port       int           `json:"port,omitempty"`    // where it listens or, if it does not, the port in the settings or the state file
	Phase      session.Phase `json:"phase,omitempty"`   // in the running Fairlead; empty if none is running
	Sign       session.Sign  `json:"sign,omitempty"`    // the phase and the kind of the problem in one word; empty if none is running
	Address    string        `json:"address,omitempty"` // where it listens; empty if it does not
	Problem    string        `json:"problem,omitempty"`
	Login      string        `json:"login,omitempty"` // the command that logs in, if a login is needed

	trouble session.Trouble // the kind of the problem, if a Fairlead is running
}

// ErrReported is returned by a command that has already printed what is wrong.
var ErrReported = errors.New("already reported")

// List prints the contexts of the files that serve would read. It prints problems with the files first, on stderr. If a
// kubeconfig cannot be read, it lists the contexts of the others and returns ErrReported.
func List(ctx context.Context, o command.Options) error {
	read, loaded := readFiles(o)
	lines := contextLines(loaded.Contexts, read.Effective)
	if err := read.Problem(); err != nil {
		fmt.Fprintln(os.Stderr, "fairlead:", strings.ReplaceAll(err.Error(), "\n", "\nfairlead: "))
	}
	for _, problem := range loaded.Problems {
		fmt.Fprintln(os.Stderr, "fairlead:", instance.ProblemLine(problem))
	}
	if status, err := queryStatus(ctx); err == nil {
		lines = addKept(lines, instance.BrokenFiles(loaded), status)
		addRunning(lines, status)
	}
	err := printContexts(table.For(os.Stdout), o, lines)
	if len(lines) == 0 && len(loaded.Problems) == 0 {
		fmt.Fprintln(os.Stderr, "fairlead:", instance.NoContexts(loaded))
	}
	if err == nil && len(instance.BrokenFiles(loaded)) > 0 {
		err = ErrReported
	}
	return err
}

func contextLines(contexts []kubeconfig.Context, effective func(name string) settings.Context) []contextLine {
	lines := []contextLine{}
	for _, c := range contexts {
		e := effective(c.Name)
		line := contextLine{
			Name: c.Name, Cluster: c.Cluster, Namespace: c.Namespace, Server: c.Server, File: c.File,
			Current: c.Current, Production: e.Production, Port: e.Port(),
		}
		if e.Namespace != "" {
			line.Namespace = e.Namespace
		}
		switch {
		case c.Err != nil:
			line.Problem = explain.Error(c.Err).Text()
		case e.Problem != "":
			line.Problem = e.Problem
		case c.Warning != nil:
			line.Problem = explain.Error(c.Warning).Text()
		}
		lines = append(lines, line)
	}
	return lines
}

// addKept adds the contexts that the running Fairlead still has from files that cannot be read now.
func addKept(lines []contextLine, broken []string, status control.Status) []contextLine {
	listed := map[string]bool{}
	for _, l := range lines {
		listed[l.Name] = true
	}
	for _, c := range status.Contexts {
		if !listed[c.Name] && slices.Contains(broken, c.File) {
			lines = append(lines, contextLine{Name: c.Name, Cluster: c.Cluster, Namespace: c.Namespace, File: c.File, Production: c.Production})
		}
	}
	return lines
}

// addRunning adds the states of the contexts in the running Fairlead. It may have been started with another kubeconfig,
// so contexts with the same name match only if they are from the same file.
func addRunning(lines []contextLine, status control.Status) {
	states := map[string]session.State{}
	for _, c := range status.Contexts {
		states[c.Name] = c.State()
	}
	for i := range lines {
		s, there := states[lines[i].Name]
		if !there || s.File != "" && s.File != lines[i].File {
			continue
		}
		lines[i].Phase, lines[i].Sign, lines[i].trouble, lines[i].Login = s.Phase, s.Sign(), s.Trouble, s.Login
		if s.Phase.Listening() {
			lines[i].Address = s.Endpoints.ProxyAddress()
			if at, err := netip.ParseAddrPort(lines[i].Address); err == nil {
				lines[i].Port = int(at.Port())
			}
		}
		if s.Reason != "" {
			lines[i].Problem = s.Reason
		}
	}
}

// listColumns are the columns of the list.
var listColumns = []column[contextLine]{
	{title: "CURRENT", cell: func(l contextLine) table.Cell {
		if l.Current {
			return table.Cell{Text: "*", Style: table.Bold}
		}
		return table.Cell{}
	}},
	{title: "NAME", cut: table.CutMiddle, cell: plain(func(l contextLine) string { return l.Name })},
	{title: "STATE", cell: func(l contextLine) table.Cell {
		return stateCell(session.State{Phase: l.Phase, Trouble: l.trouble})
	}},
	{title: "ADDRESS", cell: plain(func(l contextLine) string {
		if l.Address == "" && l.Port != 0 {
			return fmt.Sprintf(":%d", l.Port)
		}
		return menu.ShortAddress(l.Address)
	})},
	{title: "NAMESPACE", cut: table.CutMiddle, cell: plain(func(l contextLine) string { return l.Namespace })},
	{title: "PROD", cell: func(l contextLine) table.Cell { return table.Cell{Text: yes(l.Production), Style: table.Warn} }},
	{title: "CLUSTER", wide: true, cut: table.CutMiddle, cell: plain(func(l contextLine) string { return l.Cluster })},
	{title: "SERVER", wide: true, cut: table.CutMiddle, cell: plain(func(l contextLine) string { return l.Server })},
	{title: "FILE", wide: true, cut: table.CutMiddle, cell: plain(func(l contextLine) string { return l.File })},
	{title: "LOGIN", wide: true, cut: table.CutEnd, cell: plain(func(l contextLine) string { return l.Login })},
	{title: "PROBLEM", cut: table.CutEnd, cell: plain(func(l contextLine) string { return l.Problem })},
}

func printContexts(out table.Output, o command.Options, lines []contextLine) error {
	if done, err := encode(out, o.Output, lines); done {
		return err
	}
	if o.Output == "name" {
		var names []string
		for _, l := range lines {
			names = append(names, l.Name)
		}
		return printNames(out, names)
	}
	if len(lines) == 0 {
		return nil
	}
	cut, err := printTable(out, o, listColumns, lines)
	if err == nil && cut {
		err = out.Paragraph("", "… is what this terminal has no room for: -o yaml prints it, and `fairlead doctor NAME` explains a problem.", table.Faint)
	}
	return err
}

// peekSettings reads the settings, and uses the defaults for what cannot be read. It changes nothing on disk.
func peekSettings() *settings.Settings {
	dir, err := settings.Dir()
	if err != nil {
		dir = ""
	}
	file, err := settings.ConfigFile()
	if err != nil {
		file = ""
	}
	return settings.Peek(dir, file)
}

// readFiles reads the settings and the kubeconfig files as serve would. It changes nothing on disk.
func readFiles(o command.Options) (*settings.Settings, kubeconfig.Config) {
	read := peekSettings()
	instance.UseKubeconfigs(o.Kubeconfig, read)
	loaded := kubeconfig.Load(o.Kubeconfig)
	instance.SetContexts(read, loaded)
	return read, loaded
}

// Names returns the names of the contexts, for completion.
func Names(o command.Options) []string {
	_, loaded := readFiles(o)
	var names []string
	for _, c := range loaded.Contexts {
		names = append(names, c.Name)
	}
	return names
}
