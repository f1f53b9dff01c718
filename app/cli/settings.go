package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"fairlead/app/command"
	"fairlead/app/desktop"
	"fairlead/app/gateway"
	"fairlead/app/instance"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube/kubeconfig"
)

// SettingsExample prints the example settings, or writes them if there are no settings.
func SettingsExample(_ context.Context, o command.Options) error {
	if !o.Write {
		_, err := os.Stdout.Write(settings.Example())
		return err
	}
	file, err := settings.ConfigFile()
	if err != nil {
		return err
	}
	written, err := settings.WriteExample(file)
	if err == nil && !written {
		err = fmt.Errorf("%s is there already, and stays as it is", file)
	}
	if err == nil {
		fmt.Println(file)
	}
	return err
}

// SettingsPath prints the path of the settings.
func SettingsPath(context.Context, command.Options) error {
	file, err := settings.ConfigFile()
	if err == nil {
		fmt.Println(file)
	}
	return err
}

// SettingsCheck prints what is wrong in the settings, and with the certificates, kubeconfig files, browser, contexts
// and local ports that they name. A context that no kubeconfig has now is reported but is no error, and neither is one
// that has to change its port.
func SettingsCheck(_ context.Context, o command.Options) error {
	file, err := settings.ConfigFile()
	if err != nil {
		return err
	}
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		fmt.Printf("%s: there is none, so the defaults hold\n", file)
		return nil
	}
	read, loaded := readFiles(o)
	if err := read.Problem(); err != nil {
		return err
	}
	contexts := loaded.Contexts
	var exposed []settings.Problem
	if problem, ok := errors.AsType[settings.Problem](read.Exposed()); ok {
		exposed = append(exposed, problem)
	}
	wrong := slices.Concat(exposed, read.Check(wrongReference), unsafeContexts(read, contexts))
	for _, problem := range wrong {
		fmt.Println(problem)
	}
	unknown := read.Unknown(
		func(name string) bool {
			return slices.ContainsFunc(contexts, func(c kubeconfig.Context) bool { return c.Name == name })
		},
		func(name string) []string { return kubeconfig.Closest(name, contexts) },
	)
	advice := slices.Concat(unknown, read.Moves())
	for _, problem := range advice {
		fmt.Println(problem)
	}
	switch {
	case len(wrong) > 0:
		return fmt.Errorf("%d wrong in %s", len(wrong), file)
	case len(advice) == 0:
		fmt.Printf("%s: nothing is wrong\n", file)
	}
	return nil
}

// wrongReference returns what is wrong with a file or name in the settings.
func wrongReference(r settings.Reference) error {
	switch {
	case r.Konnectivity != nil:
		return gateway.CheckKonnectivity(*r.Konnectivity)
	case r.TLS != nil:
		return wrongCertificate(*r.TLS)
	case r.Upstream != nil:
		return gateway.WrongUpstream(*r.Upstream, r.Part)
	case r.Kubeconfig != "":
		return wrongKubeconfig(r.Kubeconfig)
	case r.Listen.IsValid():
		return wrongListener(r.Listen)
	}
	return wrongBrowser(r.Browser)
}

// wrongCertificate returns why a listener's certificate cannot be used, or would not be accepted.
func wrongCertificate(files settings.TLS) error {
	config, err := gateway.ListenerTLS(files)
	if err != nil {
		return err
	}
	if until := config.Certificates[0].Leaf.NotAfter; time.Now().After(until) {
		return fmt.Errorf("the listener's certificate: %s expired at %s", files.Cert, until.Local().Format(time.DateTime))
	}
	return nil
}

// wrongListener returns why a fixed local port cannot be opened. A port that the running Fairlead has opened is fine.
func wrongListener(at netip.AddrPort) error {
	err := instance.CanListen(at)
	if err == nil {
		return nil
	}
	if status, statusErr := queryStatus(context.Background()); statusErr == nil {
		for _, c := range status.Contexts {
			s := c.State()
			open := func(e session.Endpoint) bool { return e.Address == at.String() && e.Problem == "" }
			if s.Phase.Listening() && slices.ContainsFunc(s.Endpoints, open) {
				return nil
			}
		}
	}
	return err
}

// wrongKubeconfig returns the first problem of a kubeconfig file.
func wrongKubeconfig(file string) error {
	k := kubeconfig.Load(file)
	switch {
	case len(k.Problems) > 0:
		return k.Problems[0]
	case len(k.Contexts) == 0:
		return fmt.Errorf("%s has no context", file)
	}
	return nil
}

// wrongBrowser returns why a browser cannot be opened.
func wrongBrowser(name string) error {
	if filepath.IsAbs(name) {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("the browser %s cannot be run: %w", name, errors.Unwrap(err))
		}
		return nil
	}
	found := desktop.FindBrowsers(name)
	switch {
	case len(found) == 0:
		return fmt.Errorf("no browser %q was found: %w", name, instance.ErrNoBrowser)
	case found[0].Is(name):
		return nil
	}
	return instance.NoBrowser(name, found)
}

// unsafeContexts returns the contexts that could not be switched on with these settings, each as a problem.
func unsafeContexts(read *settings.Settings, contexts []kubeconfig.Context) (problems []settings.Problem) {
	for _, c := range contexts {
		if text := read.Effective(c.Name).Problem; text != "" {
			problems = append(problems, settings.Problem{File: read.File(), Text: fmt.Sprintf("context %s: %s", c.Name, text)})
		}
	}
	return problems
}
