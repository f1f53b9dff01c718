package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/instance"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube/kubeconfig"
)

// ErrNotRunning is returned by the commands that need a running Fairlead. Its exit status is 4.
var ErrNotRunning = errors.New("no Fairlead is running: start one with `fairlead`, or without a desktop with `fairlead serve CONTEXT`")

// statusTimeout bounds how long a running Fairlead may take to answer.
const statusTimeout = 5 * time.Second

// withClient calls do with a client of the running Fairlead, and adds to its errors what the user can do.
func withClient(do func(*control.Client) error) error {
	dir, err := settings.Dir()
	if err != nil {
		return err
	}
	path, err := settings.Socket(dir)
	if err != nil {
		return err
	}
	client := control.NewClient(path)
	defer client.Close()
	err = do(client)
	switch {
	case errors.Is(err, control.ErrNotRunning):
		return ErrNotRunning
	case errors.Is(err, control.ErrSilent):
		return fmt.Errorf("%w: end it, and start it again", err)
	}
	return err
}

// currentContext returns the current context of a kubeconfig, or a usage error.
func currentContext(k kubeconfig.Config) (string, error) {
	for _, c := range k.Contexts {
		if c.Current {
			return c.Name, nil
		}
	}
	if len(k.Contexts) == 0 {
		return "", &command.UsageError{Err: errors.New(instance.NoContexts(k))}
	}
	return "", &command.UsageError{Err: errors.New("name a context, because the kubeconfig has no current one (fairlead list shows them)")}
}

// orCurrent returns a name or, if it is empty, the current context of the files that kubectl would read in this shell.
func orCurrent(o command.Options, name string) (string, error) {
	if name != "" {
		return name, nil
	}
	_, loaded := readFiles(o)
	return currentContext(loaded)
}

// allOrCurrent is like orCurrent, for several names.
func allOrCurrent(o command.Options, names []string) ([]string, error) {
	if len(names) > 0 {
		return names, nil
	}
	name, err := orCurrent(o, "")
	return []string{name}, err
}

// queryStatus returns the status of the running Fairlead.
func queryStatus(ctx context.Context) (status control.Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	err = withClient(func(c *control.Client) error {
		status, err = c.Status(ctx)
		return err
	})
	return status, err
}

// withAdvice adds to an error about contexts what the user can do.
func withAdvice(ctx context.Context, c *control.Client, names []string, err error) error {
	switch {
	case errors.Is(err, session.ErrUnconfirmed):
		return fmt.Errorf("%w: start it with `fairlead on --yes %s`", err, strings.Join(names, " "))
	case errors.Is(err, session.ErrUnknownContext):
		status, statusErr := c.Status(ctx)
		if statusErr != nil {
			return &command.UsageError{Err: err}
		}
		return &command.UsageError{Err: unknownContexts(names, status)}
	}
	return err
}

// unknownContexts returns an error that lists the contexts that the running Fairlead does not have, with similar names.
func unknownContexts(names []string, status control.Status) error {
	var contexts []kubeconfig.Context
	for _, s := range status.Contexts {
		contexts = append(contexts, kubeconfig.Context{Name: s.Name})
	}
	var errs []error
	for _, name := range names {
		if !slices.ContainsFunc(contexts, func(c kubeconfig.Context) bool { return c.Name == name }) {
			errs = append(errs, fmt.Errorf("no context %q in the running Fairlead%s", name, instance.Suggest(name, contexts)))
		}
	}
	return errors.Join(errs...)
}

// Running returns the contexts that are not off, for completion.
func Running(command.Options) []string {
	status, err := queryStatus(context.Background())
	if err != nil {
		return nil
	}
	var names []string
	for _, c := range status.Contexts {
		if c.Phase != session.Off {
			names = append(names, c.Name)
		}
	}
	return names
}
