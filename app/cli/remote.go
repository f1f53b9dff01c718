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

// ErrNotRunning is what the commands say that need a running Fairlead. Its exit status is 4.
var ErrNotRunning = errors.New("no Fairlead is running: start one with `fairlead`, or without a desktop with `fairlead serve CONTEXT`")

// statusTimeout bounds what a running Fairlead may take to answer.
const statusTimeout = 5 * time.Second

// withClient calls do with a client of the Fairlead that runs, and puts its errors into words.
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

// ask is the status of the Fairlead that runs.
func queryStatus(ctx context.Context) (status control.Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	err = withClient(func(c *control.Client) error {
		status, err = c.Status(ctx)
		return err
	})
	return status, err
}

// advise adds to an error about contexts what the user may do.
func withAdvice(ctx context.Context, c *control.Client, names []string, err error) error {
	switch {
	case errors.Is(err, session.ErrUnconfirmed):
		return fmt.Errorf("%w: `fairlead on --yes %s` does it", err, strings.Join(names, " "))
	case errors.Is(err, session.ErrUnknownContext):
		status, statusErr := c.Status(ctx)
		if statusErr != nil {
			return &command.UsageError{Err: err}
		}
		return &command.UsageError{Err: unknown(names, status)}
	}
	return err
}

// unknown names the contexts that the Fairlead that runs does not have, and those that may have been meant.
func unknown(names []string, status control.Status) error {
	var contexts []kubeconfig.Context
	for _, s := range status.Contexts {
		contexts = append(contexts, kubeconfig.Context{Name: s.Name})
	}
	var errs []error
	for _, name := range names {
		if !slices.ContainsFunc(contexts, func(c kubeconfig.Context) bool { return c.Name == name }) {
			errs = append(errs, fmt.Errorf("no context %q in the Fairlead that runs%s", name, instance.Suggest(name, contexts)))
		}
	}
	return errors.Join(errs...)
}

// Running are the contexts that are not off, for completion.
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
