package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/explain"
	"fairlead/app/instance"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube/kubeconfig"
)

// A contextLine is what the list command prints of one context. Scripts read its JSON form, which must not change.
type contextLine struct {
	Name       string        `json:"name"`
	Cluster    string        `json:"cluster"`
	Namespace  string        `json:"namespace"`
	Server     string        `json:"server,omitempty"`
	File       string        `json:"file"`
	Current    bool          `json:"current"`
	Production bool          `json:"production,omitempty"`
	Port       int           `json:"port,omitempty"`    // where it listens; otherwise from the settings or the state file
	Phase      session.Phase `json:"phase,omitempty"`   // in the running Fairlead; empty if there is none
	Address    string        `json:"address,omitempty"` // where it listens; empty if it does not
	Problem    string        `json:"problem,omitempty"`
}

// ErrReported is the error of a command that has printed itself what is wrong.
var ErrReported = errors.New("already reported")

// List prints the contexts of the files that serve would read. It prints problems of the files first, on stderr. It
// fails if a kubeconfig cannot be read, but lists the contexts of the others.
func List(ctx context.Context, o command.Options) error {
	read := peekSettings()
	instance.UseKubeconfigs(o.Kubeconfig, read)
	kubeconfig := kubeconfig.Load(o.Kubeconfig)
	instance.SetContexts(read, kubeconfig)
	lines := contextLines(kubeconfig.Contexts, read.Effective)
	if err := read.Problem(); err != nil {
		fmt.Fprintln(os.Stderr, "fairlead:", strings.ReplaceAll(err.Error(), "\n", "\nfairlead: "))
	}
	for _, problem := range kubeconfig.Problems {
		fmt.Fprintln(os.Stderr, "fairlead:", instance.ProblemLine(problem))
	}
	if status, err := queryStatus(ctx); err == nil {
		lines = addKept(lines, instance.BrokenFiles(kubeconfig), status)
		addRunning(lines, status)
	}
	var err error
	if o.Output == "json" {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(lines)
	} else {
		err = printContexts(os.Stdout, lines)
	}
	if len(lines) == 0 && len(kubeconfig.Problems) == 0 {
		fmt.Fprintln(os.Stderr, "fairlead:", instance.NoContexts(kubeconfig))
	}
	if err == nil && len(instance.BrokenFiles(kubeconfig)) > 0 {
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
		lines[i].Phase = s.Phase
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

func printContexts(out io.Writer, lines []contextLine) error {
	if len(lines) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CURRENT\tNAME\tSTATE\tPORT\tCLUSTER\tNAMESPACE\tPROBLEM")
	for _, l := range lines {
		current, port, state := "", "", string(l.Phase)
		if l.Current {
			current = "*"
		}
		if l.Port != 0 {
			port = fmt.Sprint(l.Port)
		}
		if l.Phase == session.Off {
			state = ""
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", current, l.Name, state, port, l.Cluster, l.Namespace, l.Problem)
	}
	return w.Flush()
}

// peekSettings reads the settings, with the defaults where they cannot be read. It changes nothing on disk.
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

// Names returns the names of the contexts, for completion.
func Names(o command.Options) []string {
	instance.UseKubeconfigs(o.Kubeconfig, peekSettings())
	var names []string
	for _, c := range kubeconfig.Load(o.Kubeconfig).Contexts {
		names = append(names, c.Name)
	}
	return names
}
