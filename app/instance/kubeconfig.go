package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"fairlead/app/explain"
	"fairlead/app/settings"
	"fairlead/kube/kubeconfig"
)

// useKubeconfigs makes the files that the settings name the ones that kubectl would read, for us and for credential
// plugins. A file named on the command line comes before them.
func (p *Instance) useKubeconfigs() { UseKubeconfigs(p.path, p.Settings) }

func UseKubeconfigs(path string, s *settings.Settings) {
	if files := s.Config().Kubeconfig; len(files) > 0 && path == "" {
		_ = os.Setenv("KUBECONFIG", strings.Join(files, string(os.PathListSeparator))) // fails for a NUL only, which YAML has not
	}
}

// learn takes up what the kubeconfig says now, and logs what is wrong with it, once, and that it no longer is.
func (p *Instance) setKubeconfig(k kubeconfig.Config, log zerolog.Logger) {
	before := p.Kubeconfig.Swap(&k)
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
	Know(p.Settings, k)
}

// Know tells the settings which contexts a kubeconfig has.
func Know(s *settings.Settings, k kubeconfig.Config) {
	s.Know(func(yield func(string) bool) {
		for _, c := range k.Contexts {
			if !yield(c.Name) {
				return
			}
		}
	})
}

// sources are the kubeconfig files that were looked at, and which of them there are not.
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

// ProblemLine is what is said of a problem: a sentence, or the file and the place in it.
func ProblemLine(p kubeconfig.Problem) string {
	if p.Harmless {
		return explain.Error(p.Err).Text()
	}
	return p.Error()
}

// BrokenFiles names the files that something is wrong with, each once.
func BrokenFiles(k kubeconfig.Config) []string {
	var files []string
	for _, problem := range k.Problems {
		if !problem.Harmless && !slices.Contains(files, problem.File) {
			files = append(files, problem.File)
		}
	}
	return files
}

// NoContexts says that a kubeconfig has none, and which files were looked at.
func NoContexts(k kubeconfig.Config) string {
	return "no contexts found in " + strings.Join(sources(k.Files), ", ")
}

// Instead says which contexts there are, the closest ones if some are close.
func Suggest(name string, contexts []kubeconfig.Context) string {
	if close := kubeconfig.Closest(name, contexts); len(close) > 0 {
		return "; close to it: " + strings.Join(close, ", ")
	}
	if len(contexts) == 0 {
		return ", which has none"
	}
	const most = 8
	var names []string
	for _, c := range contexts[:min(len(contexts), most)] {
		names = append(names, c.Name)
	}
	more := ""
	if len(contexts) > most {
		more = fmt.Sprintf(" and %d more", len(contexts)-most)
	}
	return ", which has " + strings.Join(names, ", ") + more
}

// GoneFrom reports whether what a kubeconfig lacks is gone for good from one of its files, as far as the file tells: it is
// there, and could be read, or is none of the kubeconfig's any more.
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
