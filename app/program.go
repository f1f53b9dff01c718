package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rs/zerolog"

	"fairlead/app/command"
	"fairlead/app/explain"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube"
)

// A program is what tray and serve share: the kubeconfig that was read, the state on disk, the log, and what makes
// contexts into proxies.
type program struct {
	kubeconfig kube.Kubeconfig
	settings   *settings.Store
	damage     error // of the state file, which was kept aside
	log        zerolog.Logger
	logFile    io.Closer
	dir        string
	wiring     *wiring
}

// open reads what there is on disk. It starts nothing and sends nothing.
func open(o command.Options) (*program, error) {
	dir, err := settings.Dir()
	if err != nil {
		return nil, err
	}
	store, damage, err := settings.Open(dir)
	if err != nil {
		return nil, err
	}
	log, logFile := openLog(dir, os.Stderr)
	if damage != nil {
		log.Warn().Err(damage).Msg("state file")
	}
	p := &program{kubeconfig: kube.Load(o.Kubeconfig), settings: store, damage: damage, log: log, logFile: logFile, dir: dir}
	p.wiring = &wiring{kubeconfig: o.Kubeconfig, listen: o.Listen, settings: store, log: log}
	for _, problem := range p.kubeconfig.Problems {
		log.Warn().Err(problem).Msg("kubeconfig")
	}
	return p, nil
}

func (p *program) Close() error { return p.logFile.Close() }

// entries are the contexts as the model knows them.
func (p *program) entries() []session.Entry {
	var entries []session.Entry
	for _, c := range p.kubeconfig.Contexts {
		e := session.Entry{Name: c.Name, Namespace: c.Namespace, Cluster: c.Cluster}
		if c.Err != nil {
			e.Problem = c.Err.Error()
		}
		entries = append(entries, e)
	}
	return entries
}

func (p *program) problems() []string {
	var lines []string
	if p.damage != nil {
		lines = append(lines, p.damage.Error())
	}
	for _, problem := range p.kubeconfig.Problems {
		lines = append(lines, problem.Error())
	}
	return lines
}

// find is the context of that name, or a usage error that names the closest ones.
func (p *program) find(name string) (kube.Context, error) {
	for _, c := range p.kubeconfig.Contexts {
		if c.Name == name {
			return c, nil
		}
	}
	text := fmt.Sprintf("no context %q in the kubeconfig", name)
	if close := kube.Closest(name, p.kubeconfig.Contexts); len(close) > 0 {
		text += "; close to it: " + strings.Join(close, ", ")
	} else if names := p.names(); len(names) > 0 {
		text += ", which has " + strings.Join(names, ", ")
	} else {
		text += ", which has none"
	}
	return kube.Context{}, errors.Join(append([]error{&command.UsageError{Err: errors.New(text)}}, p.problemErrors()...)...)
}

// names are the first few of the contexts.
func (p *program) names() []string {
	var names []string
	for _, c := range p.kubeconfig.Contexts[:min(len(p.kubeconfig.Contexts), 8)] {
		names = append(names, c.Name)
	}
	return names
}

func (p *program) problemErrors() []error {
	var errs []error
	for _, problem := range p.kubeconfig.Problems {
		errs = append(errs, problem)
	}
	return errs
}

// manager makes the model. save keeps each wish; nil forgets them.
func (p *program) manager(save func(name string, on bool) error) *session.Manager {
	return session.New(session.Config{
		Start:  p.wiring.start,
		Reason: func(err error) session.Reason { return session.Reason{Text: explain.Short(err)} },
		Save:   save,
		Log:    p.log,
	})
}
