package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/session"
	"fairlead/app/snippet"
	"fairlead/app/table"
)

// settleTimeout bounds how long contexts may take to switch; the model's own bounds are shorter.
const settleTimeout = time.Minute

// On switches contexts on in the running Fairlead, and prints a line for each as serve does.
func On(ctx context.Context, o command.Options, names []string) error {
	names, err := allOrCurrent(o, names)
	if err != nil {
		return err
	}
	return start(ctx, names, func(c *control.Client) error {
		err := c.On(ctx, names, o.Yes, o.Namespace)
		if !errors.Is(err, session.ErrUnconfirmed) {
			return err
		}
		if _, confirmed := confirm(ctx, production(ctx, c, names)); !confirmed {
			return err
		}
		return c.On(ctx, names, true, o.Namespace)
	})
}

// production returns those of the named contexts that require a confirmation.
func production(ctx context.Context, c *control.Client, names []string) []string {
	status, err := c.Status(ctx)
	if err != nil {
		return names
	}
	var want []string
	for _, s := range status.Contexts {
		if s.Production && slices.Contains(names, s.Name) {
			want = append(want, s.Name)
		}
	}
	return want
}

// Restart restarts contexts in the running Fairlead, and prints a line for each as On does.
func Restart(ctx context.Context, o command.Options, names []string) error {
	names, err := allOrCurrent(o, names)
	if err != nil {
		return err
	}
	return start(ctx, names, func(c *control.Client) error {
		err := c.Restart(ctx, names)
		if errors.Is(err, session.ErrNotOn) {
			return fmt.Errorf("%w: `fairlead on %s` starts it", err, strings.Join(names, " "))
		}
		return err
	})
}

// start waits until contexts that were asked to start are on, and prints a line for each.
func start(ctx context.Context, names []string, ask func(*control.Client) error) error {
	return withClient(func(c *control.Client) error {
		if err := ask(c); err != nil {
			return withAdvice(ctx, c, names, err)
		}
		states, err := settled(ctx, c, names, func(s session.State) bool {
			return s.Phase.Listening() || s.Phase == session.Failed || s.Phase == session.Off
		})
		if err != nil {
			return err
		}
		var errs []error
		for _, s := range states {
			switch {
			case !s.Phase.Listening():
				errs = append(errs, fmt.Errorf("context %s is not on: %s", s.Name, cmp.Or(why(s), "it was switched off meanwhile")))
				continue
			case s.Reason != "":
				fmt.Fprintf(os.Stderr, "%s  %s\n", s.Name, s.Reason)
			}
			printOn(os.Stdout, os.Stderr, s)
		}
		return errors.Join(errs...)
	})
}

// printOn prints to out how programs of this machine reach a context's proxy, and notes about it to stderr.
func printOn(out, stderr io.Writer, s session.State) {
	for _, note := range []struct {
		is   bool
		text string
	}{
		{s.Password, fmt.Sprintf("wants a password: `fairlead env %s` has it", s.Name)},
		{s.TLS, fmt.Sprintf("takes only clients with TLS and a certificate: `fairlead env %s --for curl` shows how", s.Name)},
		{s.Warning != "", fmt.Sprintf("listens on %s. %s", strings.Join(s.Endpoints.Addresses(), ", "), s.Warning)},
	} {
		if note.is {
			fmt.Fprintf(stderr, "%s  %s\n", s.Name, note.text)
		}
	}
	fmt.Fprintf(out, "%s  %s\n", s.Name, where(s))
}

// where returns the URL of a context's proxy, or its forwards if there is no proxy.
func where(s session.State) string {
	if s.Endpoints.ProxyAddress() != "" {
		return s.URL()
	}
	var forwards []string
	for _, e := range s.Endpoints.Forwards() {
		forwards = append(forwards, describeEndpoint(e))
	}
	return strings.Join(forwards, ", ")
}

// Off switches contexts off in the running Fairlead, and prints a line for each when they are off. With --all these are
// the contexts that were not off already.
func Off(ctx context.Context, o command.Options, names []string) error {
	return withClient(func(c *control.Client) error {
		before, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if o.All {
			err = c.AllOff(ctx)
		} else {
			err = c.Off(ctx, names)
		}
		if err != nil {
			return withAdvice(ctx, c, names, err)
		}
		states, err := settled(ctx, c, names, func(s session.State) bool {
			return s.Wanted || s.Phase == session.Off || s.Phase == session.Failed // switched on again meanwhile
		})
		if err != nil {
			return err
		}
		return printOff(table.For(os.Stdout), o, before, states)
	})
}

// printOff prints which contexts are off now, and returns an error for those that are not.
func printOff(out io.Writer, o command.Options, before control.Status, states []session.State) error {
	were := map[string]bool{}
	for _, c := range before.Contexts {
		were[c.Name] = c.Phase != session.Off
	}
	var errs []error
	printed := 0
	for _, s := range states {
		switch {
		case s.Wanted:
			errs = append(errs, fmt.Errorf("context %s is on: it was switched on meanwhile", s.Name))
		case s.Phase == session.Failed:
			errs = append(errs, fmt.Errorf("context %s: %s", s.Name, why(s)))
		case were[s.Name]:
			fmt.Fprintf(out, "%s  off\n", s.Name)
			printed++
		case !o.All:
			fmt.Fprintf(out, "%s  was off already\n", s.Name)
			printed++
		}
	}
	if printed == 0 && len(errs) == 0 {
		fmt.Fprintln(out, "No context was on.")
	}
	return errors.Join(errs...)
}

// settled waits until done is true for all the named contexts or, without names, for all contexts. One that vanishes
// counts as done.
func settled(ctx context.Context, client *control.Client, names []string, done func(session.State) bool) ([]session.State, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	for status, err := range client.Watch(ctx) {
		if err != nil {
			return nil, err
		}
		var states []session.State
		all := true
		for _, c := range status.Contexts {
			if len(names) > 0 && !wanted[c.Name] {
				continue
			}
			s := c.State()
			states = append(states, s)
			all = all && done(s)
		}
		if all {
			return states, nil
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("not done yet: %w", ctx.Err())
	}
	return nil, errors.New("the running Fairlead ended before it was done")
}

// Env prints what makes a program use a context's proxy. Notes go to stderr, because a shell may evaluate the rest.
func Env(ctx context.Context, o command.Options, name string) error {
	program := cmp.Or(o.For, thisShell())
	if !snippet.Known(program) {
		return &command.UsageError{Err: &snippet.UnknownKind{ID: program}}
	}
	name, err := orCurrent(o, name)
	if err != nil {
		return err
	}
	return withClient(func(c *control.Client) error {
		text, err := c.Env(ctx, name, program)
		if err != nil {
			return withAdvice(ctx, c, []string{name}, err)
		}
		if text.Note != "" {
			fmt.Fprintln(os.Stderr, text.Note)
		}
		_, err = fmt.Print(text.Text)
		return err
	})
}

// thisShell returns the snippet kind for the user's shell, or the system's default.
func thisShell() string {
	shell := filepath.Base(os.Getenv("SHELL"))
	for _, kind := range []string{"fish", "zsh", "bash", "sh"} {
		if shell == kind {
			return kind
		}
	}
	if runtime.GOOS == "windows" {
		return "powershell"
	}
	return "sh"
}

// SnippetKinds returns the programs that Env has snippets for.
func SnippetKinds() []string {
	var ids []string
	for _, kind := range snippet.Kinds() {
		ids = append(ids, kind.ID)
	}
	return append(ids, snippet.ResolverKinds()...)
}

// OpenBrowser makes the running Fairlead open a browser in a context's cluster, at a URL or at the proxy's own page. A
// URL without a scheme gets http.
func OpenBrowser(ctx context.Context, o command.Options, name, url string) error {
	name, err := orCurrent(o, name)
	if err != nil {
		return err
	}
	if url != "" && !strings.Contains(url, "://") {
		url = "http://" + url
	}
	return withClient(func(c *control.Client) error {
		return withAdvice(ctx, c, []string{name}, c.Open(ctx, name, url, o.Browser))
	})
}

// why returns the reason of a context's state, and what to do about it.
func why(s session.State) string { return strings.TrimSpace(s.Reason + " " + s.Hint) }
