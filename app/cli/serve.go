package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/instance"
	"fairlead/app/session"
)

// Serve runs the proxies of the named contexts in the foreground, until ctx ends or none of them is left. If one fails,
// the others stay on.
func Serve(ctx context.Context, o command.Options, names []string) error {
	warnOfSudo()
	p, err := openServe(o)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.Unreadable(); err != nil {
		return &command.UsageError{Err: err}
	}
	p.PrintProblems(p.Outputs.Err)
	names, err = checkNames(p, names)
	if err != nil {
		return err
	}
	if err := confirmProduction(ctx, p, o, names, "fairlead serve --yes "+strings.Join(names, " ")); err != nil {
		return err
	}
	if o.Listen != "" {
		if err := listenAt(p, o.Listen, names[0]); err != nil {
			return err
		}
	}
	if o.Carrier != "" {
		if err := useKonnectivity(p, o, names[0]); err != nil {
			return err
		}
	}
	if err := useNamespace(p, o, names...); err != nil {
		return err
	}
	model := p.NewModel(session.Config{ConfirmedOnce: true})
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	endProbes, err := serveProbes(o.Health, probes{p.Log, ctx.Done(), readiness(p, model, names)})
	if err != nil {
		return err
	}
	defer endProbes()
	commands := p.Ordered(model)
	run := foreground{names: names}
	if len(names) == 1 {
		run.elsewhere = "Or take another address with --listen."
	}
	if p.Dir == "" {
		return runContexts(ctx, p, commands, run)
	}
	return runContexts(ctx, p, commands, run, func(ctx context.Context) error { return p.Control(ctx, commands, control.Serve, quit) })
}

// warnOfSudo prints a warning if another user runs this program with root's rights.
func warnOfSudo() {
	if root := instance.AsRoot(); root.Sudo {
		root.Print(os.Stderr)
	}
}

// A foreground is what a command serves until Ctrl-C.
type foreground struct {
	names     []string // of contexts
	elsewhere string   // a sentence on how the command line names another address; may be empty
}

// runContexts switches contexts on and runs what they need, and other tasks with it, until ctx ends or none of the
// contexts is left.
func runContexts(ctx context.Context, p *instance.Instance, model instance.OrderedModel, run foreground, others ...func(context.Context) error) error {
	stopped := ctx
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return model.Run(ctx) })
	for _, other := range others {
		group.Go(func() error { return other(ctx) })
	}
	group.Go(func() error {
		if err := p.UpdateModel(ctx, model.Manager); err != nil {
			return err
		}
		for _, name := range run.names {
			err := model.Do(ctx, session.Set{Name: name, On: true, Confirmed: true, WhenUsable: true})
			if err != nil && !errors.Is(err, session.ErrUnusable) && !errors.Is(err, session.ErrUnknownContext) {
				return err // for the other errors, the announcer prints why the context is off
			}
		}
		return newAnnouncer(ctx, p, run).run(ctx, model.Manager)
	})
	group.Go(func() error { return p.Follow(ctx, model.Manager) })
	group.Go(func() error { p.FollowWake(ctx, model.Manager); return nil })
	err := group.Wait()
	if stopped.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, session.ErrNotRunning)) {
		return nil
	}
	return err
}

// openServe opens the instance. One with a Konnectivity server of the command line is fit for a sidecar: it writes no file.
func openServe(o command.Options) (*instance.Instance, error) {
	if o.Carrier != "" {
		return instance.OpenStateless(o.Kubeconfig), nil
	}
	return instance.Open(o.Kubeconfig, os.Stderr)
}

// checkNames checks that the contexts exist, and returns each name once. Without names it returns the current context.
func checkNames(p *instance.Instance, names []string) ([]string, error) {
	if len(names) == 0 {
		name, err := currentContext(*p.Kubeconfig.Load())
		if err != nil {
			return nil, err
		}
		names = []string{name}
	}
	var unique []string
	seen := map[string]bool{}
	for _, name := range names {
		if _, err := p.Find(name); err != nil {
			return nil, err
		}
		if !seen[name] {
			unique = append(unique, name)
		}
		seen[name] = true
	}
	return unique, nil
}

// useNamespace gives contexts the namespace of the command line, if it names one.
func useNamespace(p *instance.Instance, o command.Options, names ...string) error {
	if o.Namespace == "" {
		return nil
	}
	for _, name := range names {
		if err := p.Settings.UseNamespace(name, o.Namespace); err != nil {
			return &command.UsageError{Err: err}
		}
	}
	return nil
}

// confirmProduction asks the user to confirm production contexts for a command that serves them in the foreground. Where
// there is no terminal, only --yes confirms them, as for On. confirmed is the command line with it.
func confirmProduction(ctx context.Context, p *instance.Instance, o command.Options, names []string, confirmed string) error {
	var production []string
	for _, name := range names {
		if p.Settings.Effective(name).Production {
			production = append(production, name)
		}
	}
	if len(production) == 0 || o.Yes {
		return nil
	}
	switch asked, agreed := confirm(ctx, production); {
	case agreed:
		return nil
	case asked:
		return fmt.Errorf("%s: not confirmed, so nothing was started", strings.Join(production, ", "))
	}
	return fmt.Errorf("context %s: %w: start it with `%s`", strings.Join(production, ", "), session.ErrUnconfirmed, confirmed)
}

// why returns the reason why a context has failed, and what to do about it. Where another program has its address, it may
// have to find out whether that is the running Fairlead.
func (f foreground) why(ctx context.Context, s session.State) string {
	if s.Trouble != session.PortTaken && s.Trouble != session.CannotListen {
		return why(s)
	}
	said := slices.DeleteFunc([]string{s.Reason, holder(ctx, s), s.Hint, f.elsewhere}, func(part string) bool { return part == "" })
	return strings.Join(said, " ")
}

// holder returns a sentence that names the running Fairlead if it has the port that a context could not get, and an
// empty string otherwise.
func holder(ctx context.Context, s session.State) string {
	status, err := queryStatus(ctx)
	if err != nil {
		return ""
	}
	for _, c := range status.Contexts {
		if c.Phase.Listening() && slices.ContainsFunc(ports(c.State()), func(port uint16) bool { return slices.Contains(ports(s), port) }) {
			return fmt.Sprintf("It is the running Fairlead, process %d, with context %s.", status.Program.PID, c.Name)
		}
	}
	return ""
}

// ports returns the ports that a context listens on or will listen on.
func ports(s session.State) []uint16 {
	var ports []uint16
	for _, address := range s.Endpoints.Addresses() {
		at, _ := netip.ParseAddrPort(address) // an address that does not parse has port 0
		ports = append(ports, at.Port())
	}
	return ports
}

// parseAddress parses an IP address and a port. The address may be localhost, or empty for all of this machine's.
func parseAddress(address string) (netip.AddrPort, error) {
	full := strings.Replace(address, "localhost:", "127.0.0.1:", 1)
	if strings.HasPrefix(full, ":") {
		full = "[::]" + full
	}
	return netip.ParseAddrPort(full)
}

// listenAt makes a context listen at an address, host:port. It fails if other machines can reach the address and
// clients need neither a password nor a certificate.
func listenAt(p *instance.Instance, address, name string) error {
	at, err := parseAddress(address)
	if err != nil {
		return &command.UsageError{Err: fmt.Errorf("--listen %s is not an IP address and a port, such as 127.0.0.1:1080", address)}
	}
	p.Settings.ListenAt(name, at)
	if c := p.Settings.Effective(name); c.Exposed() && !c.Password && !c.RequireTLS {
		return &command.UsageError{Err: fmt.Errorf("--listen %s would let anyone on the network in: use a loopback address "+
			"(127.0.0.1 or [::1]), or give context %s a password or client certificates in %s", address, name, p.Settings.File())}
	}
	return nil
}
