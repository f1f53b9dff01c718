package cli

import (
	"context"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"

	"fairlead/app/command"
	"fairlead/app/explain"
	"fairlead/app/settings"
	"fairlead/app/table"
	"fairlead/kube"
	"fairlead/kube/egress"
)

// An egressReport is how the egress of a context is. Scripts read its JSON form, which must not change.
type egressReport struct {
	Context   string `json:"context"`
	Namespace string `json:"namespace"`
	There     bool   `json:"there"`
	Ready     bool   `json:"ready"`
	Own       bool   `json:"own"`   // "fairlead egress deploy" made it here, so that "remove" removes it
	Route     bool   `json:"route"` // the context's hosts outside go through it
	Image     string `json:"image,omitempty"`
	Kind      string `json:"kind,omitempty"`
	TLSSecret string `json:"tlsSecret,omitempty"` // has the authority of the certificates that its clients need
	Sentence  string `json:"sentence,omitempty"`  // what is wrong
	Hint      string `json:"hint,omitempty"`      // what to do about it

	// What a container's specification needs to use it.
	Environment []egress.Variable `json:"env,omitempty"`
}

// EgressStatus prints how the egress of a context is, and what a Pod's specification needs to use it.
func EgressStatus(ctx context.Context, o command.Options, name string) error {
	return onEgress(o, name, func(t egressTarget) error {
		return t.inCluster(ctx, func(cluster *kube.Cluster) error {
			r, err := t.report(ctx, cluster)
			if err != nil {
				return err
			}
			out := table.For(os.Stdout)
			if done, err := encode(out, o.Output, r); done {
				return err
			}
			return r.print(out)
		})
	})
}

func (t egressTarget) report(ctx context.Context, cluster *kube.Cluster) (egressReport, error) {
	now, err := egress.Look(ctx, cluster.API(), t.namespace)
	if err != nil {
		return egressReport{}, err
	}
	c := t.Settings.Effective(t.name())
	r := egressReport{
		Context: t.name(), Namespace: t.namespace, There: now.There, Ready: now.Ready, Image: now.Image, Kind: string(now.Kind), TLSSecret: now.TLSSecret,
		Own:   now.There && c.Egress.Namespace == t.namespace && c.Egress.Service == now.Service && c.Egress.Deployment == now.Deployment,
		Route: c.Outside == settings.EgressName,
	}
	if now.Problem != nil {
		e := explain.Error(now.Problem).In(t.name())
		r.Sentence, r.Hint = e.Sentence, e.Hint
	}
	if now.There && now.TLSSecret == "" {
		r.Environment = egress.Environment(t.namespace, c.ClusterDomain, cluster.Ranges(ctx))
	}
	return r, nil
}

// print prints the report for people.
func (r egressReport) print(out table.Output) error {
	state, style := "not deployed", table.Faint
	switch {
	case r.Ready:
		state, style = "ready", table.Good
	case r.Sentence != "":
		state, style = "not ready", table.Bad
	case r.There:
		state, style = "getting ready", table.Busy
	}
	lines := [][2]string{{"namespace", r.Namespace}}
	if r.There {
		made := "by this Fairlead, whose \"egress remove\" removes it"
		if !r.Own {
			made = "by another Fairlead or from a manifest; \"egress remove\" leaves it"
		}
		lines = append(lines, [][2]string{{"kind", r.kind()}, {"image", r.Image}, {"made", made}}...)
	}
	route := "hosts outside do not go through it"
	if r.Route {
		route = "hosts outside go through it"
	}
	lines = append(lines, [2]string{"route", route})
	if err := out.Item(fmt.Sprintf("%-9s  ", "egress"), style, fmt.Sprintf("%s, context %s", state, r.Context)); err != nil {
		return err
	}
	for _, line := range lines {
		if err := out.Item(fmt.Sprintf("%-9s  ", line[0]), table.Plain, line[1]); err != nil {
			return err
		}
	}
	for _, text := range []string{r.Sentence, r.Hint} {
		if text == "" {
			continue
		}
		if err := out.Paragraph("", text, table.Plain); err != nil {
			return err
		}
	}
	return r.printEnvironment(out)
}

// kind returns what was deployed, and what its clients need.
func (r egressReport) kind() string {
	if r.TLSSecret == "" {
		return r.Kind
	}
	return fmt.Sprintf("%s, for clients with a certificate of the authority in Secret %s", r.Kind, r.TLSSecret)
}

// printEnvironment prints the lines for a container's specification. They are pasted, so they are not wrapped.
func (r egressReport) printEnvironment(out table.Output) error {
	if r.Environment == nil {
		return nil
	}
	text, err := yaml.Marshal(map[string]any{"env": r.Environment})
	if err == nil {
		_, err = fmt.Fprintf(out, "\nIn the specification of a container that is to use it:\n\n%s", text)
	}
	return err
}
