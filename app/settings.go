package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"fairlead/app/command"
	"fairlead/app/settings"
	"fairlead/kube"
)

// printExample prints the settings' example, or writes it where there are no settings.
func printExample(_ context.Context, o command.Options) error {
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

func printSettingsPath(context.Context, command.Options) error {
	file, err := settings.ConfigFile()
	if err == nil {
		fmt.Println(file)
	}
	return err
}

// checkSettings says what is wrong in the settings, and names contexts in them that no kubeconfig has, which is no error.
func checkSettings(_ context.Context, o command.Options) error {
	file, err := settings.ConfigFile()
	if err != nil {
		return err
	}
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		fmt.Printf("%s: there is none, so the defaults hold\n", file)
		return nil
	}
	read := settings.Peek("", file)
	if err := read.Problem(); err != nil {
		return err
	}
	contexts := kube.Load(o.Kubeconfig).Contexts
	for _, problem := range read.Unknown(
		func(name string) bool {
			for _, c := range contexts {
				if c.Name == name {
					return true
				}
			}
			return false
		},
		func(name string) []string { return kube.Closest(name, contexts) },
	) {
		fmt.Println(problem)
	}
	fmt.Printf("%s: nothing is wrong\n", file)
	return nil
}
