package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"fairlead/app/explain"
	"fairlead/app/settings"
	"fairlead/kube/kubeconfig"
)

// UseKubeconfigs sets KUBECONFIG to the files that the settings name, for this program and for credential plugins. A
// path from the command line takes precedence.
func UseKubeconfigs(path string, s *settings.Settings) {
	if files := s.Config().Kubeconfig; len(files) > 0 && path == "" {
		_ = os.Setenv("KUBECONFIG", strings.Join(files, string(os.PathListSeparator))) // fails only for a NUL, which YAML cannot contain
	}
}

// SetContexts passes the names of a kubeconfig's contexts to the settings.
func SetContexts(s *settings.Settings, k kubeconfig.Config) {
	s.SetContexts(func(yield func(string) bool) {
		for _, c := range k.Contexts {
			if !yield(c.Name) {
				return
			}
		}
	})
}

// sources returns the kubeconfig files that were searched, and marks those that do not exist.
func sources(files []string) []string {
	shown := make([]string, len(files))
	for i, file := range files {
		shown[i] = abbreviateHome(file)
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			shown[i] += " (no such file)"
		}
	}
	return shown
}

// ProblemLine returns a problem in one line: a sentence, or the file and the place in it.
func ProblemLine(p kubeconfig.Problem) string {
	if p.Harmless {
		return explain.Error(p.Err).Text()
	}
	return p.Error()
}

// BrokenFiles returns the files that could not be read whole, each once.
func BrokenFiles(k kubeconfig.Config) []string {
	var files []string
	for _, problem := range k.Problems {
		if !problem.Harmless && !slices.Contains(files, problem.File) {
			files = append(files, problem.File)
		}
	}
	return files
}

// NoContexts returns a message that a kubeconfig has no contexts, with the files that were searched.
func NoContexts(k kubeconfig.Config) string {
	return "no contexts found in " + strings.Join(sources(k.Files), ", ")
}

// Suggest returns the end of a message about an unknown context: the contexts with similar names or, if there are none,
// all contexts, or only their number if there are many.
func Suggest(name string, contexts []kubeconfig.Context) string {
	if close := kubeconfig.Closest(name, contexts); len(close) > 0 {
		return "; close to it: " + strings.Join(close, ", ")
	}
	if len(contexts) == 0 {
		return ", which has none"
	}
	const most = 3
	if len(contexts) > most {
		return fmt.Sprintf(", which has %d others (fairlead list shows them)", len(contexts))
	}
	var names []string
	for _, c := range contexts {
		names = append(names, c.Name)
	}
	return ", which has " + strings.Join(names, ", ")
}

// GoneFrom reports whether a context that is no longer in the kubeconfig was removed from file for good, as far as can be
// known: file is not part of the kubeconfig any more, or it exists and was not missing when the kubeconfig was read.
func GoneFrom(k *kubeconfig.Config, file string) bool {
	if !slices.Contains(k.Files, file) {
		return true
	}
	if slices.ContainsFunc(k.Problems, func(p kubeconfig.Problem) bool { return p.File == file && errors.Is(p, fs.ErrNotExist) }) {
		return false
	}
	_, err := os.Stat(file)
	return err == nil
}
