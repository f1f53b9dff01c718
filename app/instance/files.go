package instance

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/rs/zerolog"

	"fairlead/app/command"
	"fairlead/app/gateway"
	"fairlead/app/settings"
	"fairlead/kube/kubeconfig"
)

// Files are the files that an Instance reads: the current kubeconfig and settings, and what is wrong with them.
type Files struct {
	path       string // of the kubeconfig; empty for what kubectl reads
	Kubeconfig atomic.Pointer[kubeconfig.Config]
	Settings   *settings.Settings
	damage     error // of the state file, which was set aside
}

// PrintProblems prints what was wrong in the files at the start, and where.
func (f *Files) PrintProblems(to io.Writer) {
	for _, problem := range f.Problems() {
		fmt.Fprintln(to, "fairlead:", problem)
	}
}

// Problems returns what is wrong in the files, one line each.
func (f *Files) Problems() []string {
	return append(f.SettingsProblems(), f.KubeconfigProblems()...)
}

// SettingsProblems returns what is wrong in the settings and the state file, one line each.
func (f *Files) SettingsProblems() []string {
	var lines []string
	if f.damage != nil {
		lines = append(lines, f.damage.Error())
	}
	if err := f.Settings.Problem(); err != nil {
		lines = append(lines, strings.Split(err.Error(), "\n")...)
	}
	for _, problem := range f.Settings.Check(wrongUpstream) {
		lines = append(lines, problem.Error())
	}
	if err := f.Settings.Exposed(); err != nil {
		lines = append(lines, err.Error())
	}
	for i := range lines {
		lines[i] = abbreviateHome(lines[i])
	}
	return lines
}

// wrongUpstream returns what is wrong with a file of an upstream.
func wrongUpstream(r settings.Reference) error {
	if r.Upstream == nil {
		return nil
	}
	return gateway.WrongUpstream(*r.Upstream, r.Part)
}

// KubeconfigProblems returns what is wrong in the kubeconfig files, one line each.
func (f *Files) KubeconfigProblems() []string {
	var lines []string
	for _, problem := range f.Kubeconfig.Load().Problems {
		lines = append(lines, abbreviateHome(ProblemLine(problem)))
	}
	return lines
}

// abbreviateHome shortens the home directory in a line to ~. Lines of the menu are short, and what matters follows the
// path.
func abbreviateHome(line string) string {
	home, err := os.UserHomeDir()
	if err != nil || home == "" || home == string(filepath.Separator) {
		return line
	}
	return strings.ReplaceAll(line, home+string(filepath.Separator), "~"+string(filepath.Separator))
}

// Find returns the context with that name, or a usage error that names similar ones, or the files that were searched.
func (f *Files) Find(name string) (kubeconfig.Context, error) {
	for _, c := range f.Kubeconfig.Load().Contexts {
		if c.Name == name {
			return c, nil
		}
	}
	k := f.Kubeconfig.Load()
	if len(k.Contexts) == 0 {
		return kubeconfig.Context{}, &command.UsageError{Err: errors.New(NoContexts(*k))}
	}
	return kubeconfig.Context{}, &command.UsageError{Err: fmt.Errorf("no context %q in the kubeconfig%s", name, Suggest(name, k.Contexts))}
}

// Unreadable returns everything that is wrong in the files if that leaves no context.
func (f *Files) Unreadable() error {
	if k := f.Kubeconfig.Load(); len(k.Contexts) == 0 && len(BrokenFiles(*k)) > 0 {
		return errors.New(strings.Join(f.Problems(), "\n"))
	}
	return nil
}

// KubeconfigPath returns the path of the kubeconfig that the command line names, or "" if the program reads what kubectl does.
func (f *Files) KubeconfigPath() string { return f.path }

// setKubeconfig replaces the kubeconfig. It logs each new problem once, and each file that is no longer broken.
func (f *Files) setKubeconfig(k kubeconfig.Config, log zerolog.Logger) {
	before := f.Kubeconfig.Swap(&k)
	if before == nil {
		before = &kubeconfig.Config{}
	}
	for _, problem := range k.Problems {
		known := func(b kubeconfig.Problem) bool { return b.Error() == problem.Error() }
		if !slices.ContainsFunc(before.Problems, known) {
			log.Warn().Err(problem).Msg("kubeconfig")
		}
	}
	broken := BrokenFiles(k)
	for _, file := range BrokenFiles(*before) {
		if !slices.Contains(broken, file) {
			log.Info().Str("file", file).Msg("kubeconfig read again")
		}
	}
	SetContexts(f.Settings, k)
}
