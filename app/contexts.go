package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"

	"fairlead/app/command"
	"fairlead/app/settings"
	"fairlead/kube"
)

// A contextLine is what the contexts command says of one context; its JSON form is for scripts and stays as it is.
type contextLine struct {
	Name      string `json:"name"`
	Cluster   string `json:"cluster"`
	Namespace string `json:"namespace"`
	Server    string `json:"server,omitempty"`
	File      string `json:"file"`
	Current   bool   `json:"current"`
	Port      int    `json:"port,omitempty"` // remembered from an earlier start
	Problem   string `json:"problem,omitempty"`
}

// listContexts prints the contexts. Files that cannot be read are named on stderr and make the command fail, after the
// others were listed.
func listContexts(_ context.Context, o command.Options) error {
	kubeconfig := kube.Load(o.Kubeconfig)
	lines := contextLines(kubeconfig.Contexts, rememberedPorts())
	var err error
	if o.Output == "json" {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(lines)
	} else {
		err = printContexts(lines)
	}
	for _, problem := range kubeconfig.Problems {
		fmt.Fprintln(os.Stderr, "fairlead:", problem)
	}
	if err == nil && len(kubeconfig.Problems) > 0 {
		err = fmt.Errorf("%d kubeconfig file(s) could not be read", len(kubeconfig.Problems))
	}
	return err
}

func contextLines(contexts []kube.Context, ports map[string]int) []contextLine {
	lines := []contextLine{}
	for _, c := range contexts {
		line := contextLine{
			Name: c.Name, Cluster: c.Cluster, Namespace: c.Namespace, Server: c.Server, File: c.File,
			Current: c.Current, Port: ports[c.Name],
		}
		if c.Err != nil {
			line.Problem = c.Err.Error()
		}
		lines = append(lines, line)
	}
	return lines
}

func printContexts(lines []contextLine) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CURRENT\tNAME\tCLUSTER\tNAMESPACE\tPORT\tPROBLEM")
	for _, l := range lines {
		current, port := "", ""
		if l.Current {
			current = "*"
		}
		if l.Port != 0 {
			port = fmt.Sprint(l.Port)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", current, l.Name, l.Cluster, l.Namespace, port, l.Problem)
	}
	return w.Flush()
}

// rememberedPorts are the ports given so far; a state file that cannot be read has none to show.
func rememberedPorts() map[string]int {
	dir, err := settings.Dir()
	if err != nil {
		return nil
	}
	ports, err := settings.Ports(dir)
	if err != nil {
		return nil
	}
	return ports
}

func contextNames(o command.Options) []string {
	var names []string
	for _, c := range kube.Load(o.Kubeconfig).Contexts {
		names = append(names, c.Name)
	}
	return names
}
