package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube"
)

// errNotRunning is what the commands say that need a running Fairlead. Its exit status is 4.
var errNotRunning = errors.New("no Fairlead is running: start one with `fairlead`, or without a desktop with `fairlead serve CONTEXT`")

// askWithin bounds what a running Fairlead may take to answer.
const askWithin = 5 * time.Second

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
	if errors.Is(err, control.ErrNotRunning) {
		return errNotRunning
	}
	return err
}

// ask is the status of the Fairlead that runs.
func ask(ctx context.Context) (status control.Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	err = withClient(func(c *control.Client) error {
		status, err = c.Status(ctx)
		return err
	})
	return status, err
}

// advise adds to an error about contexts what the user may do.
func advise(ctx context.Context, c *control.Client, names []string, err error) error {
	switch {
	case errors.Is(err, session.ErrUnconfirmed):
		return fmt.Errorf("%w: `fairlead on --yes %s` does it", err, strings.Join(names, " "))
	case errors.Is(err, session.ErrUnknownContext):
		status, statusErr := c.Status(ctx)
		if statusErr != nil {
			return &command.UsageError{Err: err}
		}
		var contexts []kube.Context
		there := map[string]bool{}
		for _, s := range status.Contexts {
			contexts = append(contexts, kube.Context{Name: s.Name})
			there[s.Name] = true
		}
		for _, name := range names {
			if close := kube.Closest(name, contexts); !there[name] && len(close) > 0 {
				err = fmt.Errorf("%w; close to it: %s", err, strings.Join(close, ", "))
			}
		}
		return &command.UsageError{Err: err}
	}
	return err
}

// runningNames are the contexts that are not off, for completion.
func runningNames(command.Options) []string {
	status, err := ask(context.Background())
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
