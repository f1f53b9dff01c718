package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/explain"
	"fairlead/app/gateway"
	"fairlead/app/instance"
	"fairlead/app/settings"
	"fairlead/app/table"
	"fairlead/kube"
	"fairlead/kube/egress"
	"fairlead/kube/fault"
	"fairlead/kube/kubeconfig"
)

// An egressTarget is the context that an egress command is about.
type egressTarget struct {
	*instance.Instance
	entry     kubeconfig.Context
	namespace string
}

// onEgress calls do with the context that an egress command is about.
func onEgress(o command.Options, name string, do func(egressTarget) error) error {
	p, err := instance.Open(o.Kubeconfig, io.Discard) // what concerns the user is printed
	if err != nil {
		return err
	}
	defer p.Close()
	entry, problem, err := findEntry(p, name)
	switch {
	case err != nil:
		return err
	case problem != nil:
		return problem
	case entry.Err != nil:
		return errors.New(explain.Error(entry.Err).Text())
	}
	c := p.Settings.Effective(entry.Name)
	t := egressTarget{p, entry, cmp.Or(o.Namespace, c.Egress.Namespace, c.Namespace, entry.Namespace, defaultNamespace)}
	return do(t)
}

// name returns the context's name.
func (t egressTarget) name() string { return t.entry.Name }

// inCluster calls do while there is a way to the context's API server. Errors of do are explained.
func (t egressTarget) inCluster(ctx context.Context, do func(*kube.Cluster) error) error {
	cluster, _, err := openCluster(t.Instance, t.entry, "")
	if err != nil {
		return errors.New(explain.Error(err).In(t.name()).Text())
	}
	var doErr error
	if err := whileRunning(ctx, cluster, func() { doErr = do(cluster) }); err != nil {
		return err
	}
	return t.explained(ctx, doErr)
}

// explained returns the text for the user in place of an error of the cluster, and any other error as it is.
func (t egressTarget) explained(ctx context.Context, err error) error {
	var other *instance.OtherNamespaceError
	var own *egressError
	switch {
	case err == nil, errors.As(err, &other), errors.As(err, &own), ctx.Err() != nil:
		return err
	}
	return errors.New(explain.Error(err).In(t.name()).Text())
}

// spec returns what the flags ask for.
func (t egressTarget) spec(o command.Options) (egress.Spec, error) {
	s := egress.Spec{Namespace: t.namespace, Image: o.Image, Kind: egress.Kind(o.Kind), TLSSecret: o.TLSSecret}
	if !o.MutualTLS {
		return s, nil
	}
	var err error
	s.TLSSecret = egress.Name
	s.Certificates, err = egress.NewCertificates(s.Namespace, t.Settings.Effective(t.name()).ClusterDomain)
	return s, err
}

// egress returns what deploys and removes. The running Fairlead, if there is one, applies what it changes.
func (t egressTarget) egress(cluster *kube.Cluster, spec egress.Spec) instance.Egress {
	return instance.Egress{
		Settings: t.Settings, Context: t.name(), Client: cluster.API(), Spec: spec,
		Progress: func(text string) { fmt.Fprintf(os.Stderr, "%s  %s\n", t.name(), table.Clean(text)) },
		Changed: func(ctx context.Context) error {
			err := withClient(func(c *control.Client) error { return c.ReadState(ctx) })
			if errors.Is(err, ErrNotRunning) {
				return nil
			}
			if err != nil {
				return &egressError{fmt.Errorf("the running Fairlead does not know of the change: %w", err)}
			}
			return nil
		},
	}
}

// An egressError is an error that is fit for the user as it is.
type egressError struct{ error }

func (e *egressError) Unwrap() error { return e.error }

// EgressDeploy deploys a forward proxy in a context's cluster, after it has shown what that is and asked.
func EgressDeploy(ctx context.Context, o command.Options, name string) error {
	return onEgress(o, name, func(t egressTarget) error {
		spec, err := t.spec(o)
		if err != nil {
			return err
		}
		upstream, err := egressUpstream(o)
		if err != nil {
			return err
		}
		return t.inCluster(ctx, func(cluster *kube.Cluster) error {
			e := t.egress(cluster, spec)
			e.CA, e.Cert, e.Key = upstream.CA, upstream.Cert, upstream.Key
			return t.deploy(ctx, o, e.Resumed())
		})
	})
}

// egressUpstream returns the upstream with the files that the flags of EgressDeploy name, once they can be read.
func egressUpstream(o command.Options) (settings.Upstream, error) {
	u := settings.Upstream{Name: settings.EgressName, CA: o.UpstreamCA, Cert: o.UpstreamCert, Key: o.UpstreamKey}
	if err := makeAbsolute(&u.CA, &u.Cert, &u.Key); err != nil {
		return u, err
	}
	for _, flag := range []struct{ part, file string }{{"ca", u.CA}, {"cert", u.Cert}, {"key", u.Key}} {
		if flag.file == "" {
			continue
		}
		if err := gateway.WrongUpstream(u, flag.part); err != nil {
			return u, &command.UsageError{Err: fmt.Errorf("--%s: %w", flag.part, err)}
		}
	}
	return u, nil
}

func (t egressTarget) deploy(ctx context.Context, o command.Options, e instance.Egress) error {
	found, err := e.Check(ctx)
	if errors.As(err, new(*fault.MissingRights)) {
		return errors.Join(err, printManifest(e.Spec))
	}
	if err != nil {
		return err
	}
	switch found {
	case instance.Absent:
		if err := t.announce(ctx, o, e.Spec); err != nil {
			return err
		}
	case instance.There:
		e.Progress(fmt.Sprintf("%s/%s is there already", e.Spec.Namespace, egress.Name))
	case instance.OnlyUsable:
		e.Progress(fmt.Sprintf("%s/%s is there already; your login may use it, and neither look after it nor remove it", e.Spec.Namespace, egress.Name))
	}
	if err := e.Deploy(ctx, found); err != nil {
		if t.Settings.Effective(t.name()).Egress != (settings.Egress{}) {
			fmt.Fprintf(os.Stderr, "%s  `fairlead egress remove %[1]s` removes what was made\n", t.name())
		}
		return err
	}
	fmt.Printf("%s  hosts outside go through %s/%s\n", t.name(), e.Spec.Namespace, egress.Name)
	return nil
}

// announce shows what is going to be made, and asks the user to confirm that: in production twice.
func (t egressTarget) announce(ctx context.Context, o command.Options, spec egress.Spec) error {
	out := table.For(os.Stderr)
	if err := out.Paragraph("", fmt.Sprintf("In namespace %s of context %s this is made:", spec.Namespace, t.name()), table.Plain); err != nil {
		return err
	}
	for _, line := range spec.Describe() {
		if err := out.Item("  "+line[0]+"  ", table.Bold, line[1]); err != nil {
			return err
		}
	}
	if o.Yes {
		return nil
	}
	questions := []string{"Deploy it? [y/N] "}
	if t.Settings.Effective(t.name()).Production {
		questions = append(questions, fmt.Sprintf("Context %s is marked as production. Deploy it there? [y/N] ", table.Clean(t.name())))
	}
	switch asked, confirmed := askAll(ctx, questions); {
	case confirmed:
		return nil
	case asked:
		return &egressError{fmt.Errorf("%s: not confirmed, so nothing was made", t.name())}
	}
	return &egressError{fmt.Errorf("nothing was made, because there is no terminal to ask on: `fairlead egress deploy --yes %s` does not ask", t.name())}
}

// EgressRemove removes what EgressDeploy has made, and the route.
func EgressRemove(ctx context.Context, o command.Options, name string) error {
	return onEgress(o, name, func(t egressTarget) error {
		return t.inCluster(ctx, func(cluster *kube.Cluster) error {
			removed, err := t.egress(cluster, egress.Spec{Namespace: t.namespace}).Remove(ctx)
			switch {
			case err != nil:
				return err
			case removed:
				fmt.Printf("%s  egress removed\n", t.name())
			default:
				fmt.Printf("%s  there was no egress of this Fairlead in the cluster\n", t.name())
			}
			return nil
		})
	})
}

// EgressManifest prints what EgressDeploy would make.
func EgressManifest(_ context.Context, o command.Options, name string) error {
	return onEgress(o, name, func(t egressTarget) error {
		spec, err := t.spec(o)
		if err != nil {
			return err
		}
		return printManifest(spec)
	})
}

// printManifest prints what is made, except for a Secret: it has a key, which belongs on no screen.
func printManifest(spec egress.Spec) error {
	spec.Certificates = nil
	var documents []string
	for _, object := range spec.Objects() {
		text, err := yaml.Marshal(object)
		if err != nil {
			return err
		}
		documents = append(documents, string(text))
	}
	_, err := fmt.Print(strings.Join(documents, "---\n"))
	return err
}
