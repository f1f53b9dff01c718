package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/command"
	"fairlead/app/explain"
	"fairlead/app/gateway"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube"
)

// A program is what tray and serve share: the kubeconfig and the settings as they are now, the state on disk, the log,
// and what makes contexts into proxies.
type program struct {
	path       string // of the kubeconfig; empty for what kubectl reads
	kubeconfig atomic.Pointer[kube.Kubeconfig]
	store      *settings.Store
	settings   *settings.Settings
	began      time.Time
	damage     error // of the state file, which was kept aside
	log        zerolog.Logger
	outputs    *outputs // of which log is one
	dir        string
	gateways   *gateway.Gateways
	telling    sync.Mutex // of the model: what is read later is told later
}

// open reads what there is on disk and begins to log. It starts nothing else and sends nothing. What the log has for a
// person goes to console, too; what is wrong in the files at the start is the caller's to say, by sayProblems.
func open(o command.Options, console io.Writer) (*program, error) {
	dir, err := settings.Dir()
	if err != nil {
		return nil, err
	}
	file, err := settings.ConfigFile()
	if err != nil {
		return nil, err
	}
	store, damage, err := settings.Open(dir)
	if err != nil {
		return nil, err
	}
	outputs := openOutputs(dir, os.Stdout, console)
	log := outputs.log
	if damage != nil {
		outputs.quiet.Warn().Err(damage).Msg("state file")
	}
	p := &program{
		began: time.Now().Round(0), path: o.Kubeconfig, store: store, settings: settings.Load(store, file), damage: damage, log: log, outputs: outputs, dir: dir,
	}
	p.useKubeconfigs()
	p.gateways = p.newGateways(nil)
	p.learn(kube.Load(o.Kubeconfig), outputs.quiet)
	if err := p.settings.Problem(); err != nil {
		outputs.quiet.Warn().Err(err).Msg("settings")
	}
	return p, nil
}

// sayProblems prints what is wrong in the files that were read at the start, and where they are.
func (p *program) sayProblems(to io.Writer) {
	for _, problem := range p.problems() {
		fmt.Fprintln(to, "fairlead:", problem)
	}
}

// useKubeconfigs makes the files that the settings name the ones that kubectl would read, for us and for credential
// plugins. A file named on the command line comes before them.
func (p *program) useKubeconfigs() { useKubeconfigs(p.path, p.settings) }

func useKubeconfigs(path string, s *settings.Settings) {
	if files := s.Config().Kubeconfig; len(files) > 0 && path == "" {
		_ = os.Setenv("KUBECONFIG", strings.Join(files, string(os.PathListSeparator))) // fails for a NUL only, which YAML has not
	}
}

// learn takes up what the kubeconfig says now, and logs what is wrong with it, once, and that it no longer is.
func (p *program) learn(k kube.Kubeconfig, log zerolog.Logger) {
	before := p.kubeconfig.Swap(&k)
	if before == nil {
		before = &kube.Kubeconfig{}
	}
	for _, problem := range k.Problems {
		known := func(b kube.Problem) bool { return b.Error() == problem.Error() }
		if !slices.ContainsFunc(before.Problems, known) {
			log.Warn().Err(problem).Msg("kubeconfig")
		}
	}
	broken := brokenFiles(k)
	for _, file := range brokenFiles(*before) {
		if !slices.Contains(broken, file) {
			log.Info().Str("file", file).Msg("kubeconfig read again")
		}
	}
	know(p.settings, k)
}

// know tells the settings which contexts a kubeconfig has.
func know(s *settings.Settings, k kube.Kubeconfig) {
	s.Know(func(yield func(string) bool) {
		for _, c := range k.Contexts {
			if !yield(c.Name) {
				return
			}
		}
	})
}

// Close ends the log.
func (p *program) Close() error { return p.outputs.Close() }

// entries are the contexts as the model knows them.
func (p *program) entries() []session.Entry {
	var entries []session.Entry
	for _, c := range p.kubeconfig.Load().Contexts {
		entries = append(entries, p.entry(c))
	}
	return entries
}

// entry is a context with its settings.
func (p *program) entry(c kube.Context) session.Entry {
	s := p.settings.Effective(c.Name)
	e := session.Entry{
		Name: c.Name, Namespace: c.Namespace, Cluster: c.Cluster, File: c.File,
		Fingerprint: c.Fingerprint() + " " + s.Fingerprint(),
		Outside:     string(s.Outside), Production: s.Production, Password: s.Password, TLS: s.RequireTLS, AnyUser: s.OtherUsers,
		AutoOff: s.AutoOff, Used: s.Used,
	}
	if s.TLS != nil {
		e.Fingerprint += " " + dates(s.TLS.Cert, s.TLS.Key, s.TLS.ClientCA)
	}
	if s.Namespace != "" {
		e.Namespace = s.Namespace
	}
	if s.Port != 0 {
		e.Address = s.Address()
	}
	tells := gateway.TellsUsersApart()
	e.AnyUser = e.AnyUser || !tells
	switch {
	case s.Exposed():
		e.Warning = "Other machines can reach it."
	case !tells && !s.Password && !s.RequireTLS:
		e.Warning = "Every user of this machine can use it, for the system does not tell them apart: a password would."
	}
	if s.Displaced != 0 {
		e.Warning = strings.TrimSpace(e.Warning + " " + gateway.Displaced(s))
	}
	if c.Warning != nil {
		e.Warning = strings.TrimSpace(e.Warning + " " + fromHome(explain.Error(c.Warning).Sentence))
	}
	switch {
	case c.Err != nil:
		said := explain.Error(c.Err)
		e.Problem, e.Hint = fromHome(said.Sentence), fromHome(said.Hint)
	case s.Problem != "":
		e.Problem = s.Problem
	}
	return e
}

// problems are what is wrong in the files, one line each.
func (p *program) problems() []string { return append(p.settingsProblems(), p.kubeconfigProblems()...) }

func (p *program) settingsProblems() []string {
	var lines []string
	if p.damage != nil {
		lines = append(lines, p.damage.Error())
	}
	if err := p.settings.Problem(); err != nil {
		lines = append(lines, strings.Split(err.Error(), "\n")...)
	}
	if err := p.settings.Exposed(); err != nil {
		lines = append(lines, err.Error())
	}
	for i := range lines {
		lines[i] = fromHome(lines[i])
	}
	return lines
}

func (p *program) kubeconfigProblems() []string {
	var lines []string
	for _, problem := range p.kubeconfig.Load().Problems {
		lines = append(lines, fromHome(problemLine(problem)))
	}
	return lines
}

// fromHome writes the paths of a line as from the home directory: a line of the menu is short, and what matters stands
// behind the path.
func fromHome(line string) string {
	home, err := os.UserHomeDir()
	if err != nil || home == "" || home == string(filepath.Separator) {
		return line
	}
	return strings.ReplaceAll(line, home+string(filepath.Separator), "~"+string(filepath.Separator))
}

// tell hands the model what kubeconfig and settings say now.
func (p *program) tell(ctx context.Context, model *session.Manager) error {
	p.telling.Lock()
	defer p.telling.Unlock()
	return model.Do(ctx, session.SetContexts{
		Entries: p.entries(), Problems: p.problems(), Sources: sources(p.kubeconfig.Load().Files),
	})
}

// sources are the kubeconfig files that were looked at, and which of them there are not.
func sources(files []string) []string {
	shown := make([]string, len(files))
	for i, file := range files {
		shown[i] = fromHome(file)
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			shown[i] += " (no such file)"
		}
	}
	return shown
}

// find is the context of that name, or a usage error that names the closest ones, or where contexts were looked for.
func (p *program) find(name string) (kube.Context, error) {
	for _, c := range p.kubeconfig.Load().Contexts {
		if c.Name == name {
			return c, nil
		}
	}
	k := p.kubeconfig.Load()
	if len(k.Contexts) == 0 {
		return kube.Context{}, &command.UsageError{Err: errors.New(noContexts(*k))}
	}
	return kube.Context{}, &command.UsageError{Err: fmt.Errorf("no context %q in the kubeconfig%s", name, instead(name, k.Contexts))}
}

// unread returns all that is wrong in the files, if no context is left for a kubeconfig that could not be read.
func (p *program) unread() error {
	if k := p.kubeconfig.Load(); len(k.Contexts) == 0 && len(brokenFiles(*k)) > 0 {
		return errors.New(strings.Join(p.problems(), "\n"))
	}
	return nil
}

// noContexts says that a kubeconfig has none, and which files were looked at.
func noContexts(k kube.Kubeconfig) string {
	return "no contexts found in " + strings.Join(sources(k.Files), ", ")
}

// newGateways returns the gateways of this program's contexts. failed is a gateway.Config's Failed, or nil.
func (p *program) newGateways(failed func(context, target string, said explain.Explanation)) *gateway.Gateways {
	return gateway.New(gateway.Config{Kubeconfig: p.kubeconfig.Load, Settings: p.settings, Failed: failed, Log: p.log})
}

// manager returns the model of this program's contexts, which c says the rest of.
func (p *program) manager(c session.Config) *session.Manager {
	c.Start, c.Reason, c.Log = p.gateways.Start, gateway.Reason, p.log
	return session.New(c)
}
