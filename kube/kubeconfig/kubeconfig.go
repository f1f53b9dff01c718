package kubeconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// maxKubeconfig limits one file, in bytes.
const maxKubeconfig = 16 << 20

// A merged is what could be read of several kubeconfig files together.
type merged struct {
	path         string // as it was given to Load; empty for the files that kubectl reads
	config       *clientcmdapi.Config
	contexts     []contextEntry
	contextNames map[string]bool    // the names in contexts
	broken       map[entryKey]error // the clusters and users that could not be understood
	problems     []Problem
	files        []string
	readings     map[string]reading // by file, as it was read for this
	hidden       map[hiddenEntry]string
	examination
}

// A contextEntry is a context in one of the files, even one that could not be parsed.
type contextEntry struct {
	name string
	file string
	err  error
}

// A hiddenEntry is an entry that does not count, because an earlier file has another one of that name.
type hiddenEntry struct {
	entryKey
	file string
}

// An entryKey names one entry of the lists "clusters" and "users".
type entryKey struct{ list, name string }

// readKubeconfig reads the file at path, or the files that kubectl would read if path is empty.
func readKubeconfig(path string) *merged { return readKubeconfigBy(path, readFile) }

// readKubeconfigBy is readKubeconfig with a function that reads one file.
func readKubeconfigBy(path string, read func(file string) reading) *merged {
	rules := loadingRules(path)
	m := &merged{
		path: path, config: clientcmdapi.NewConfig(), contextNames: map[string]bool{}, broken: map[entryKey]error{}, files: rules.GetLoadingPrecedence(),
		readings: map[string]reading{}, hidden: map[hiddenEntry]string{},
		examination: newExamination(),
	}
	var gone []Problem
	for _, file := range m.files {
		if file == "" {
			continue
		}
		s := read(file)
		m.readings[file] = s
		if path == "" && errors.Is(s.err, fs.ErrNotExist) {
			if s.gone {
				gone = append(gone, Problem{File: file, Err: s.err})
			}
			continue
		}
		if s.err != nil {
			m.problems = append(m.problems, Problem{File: file, Err: s.err})
		}
		if s.parsed != nil {
			m.addFile(s.parsed, file)
		}
	}
	if len(m.contexts) == 0 { // else it is one of several, and may be missing
		m.problems = append(m.problems, gone...)
	}
	return m
}

// A reading is the result of reading one file.
type reading struct {
	parsed *parsed // nil if its content is not known; shared, and must not be changed
	err    error   // why it could not be read, or only in part
	from   content // what was read
	gone   bool    // it does not exist, and had entries before
}

func readFile(file string) reading {
	data, err := ReadBounded(file)
	return parseFile(content{data, err}, file)
}

// parseFile returns the reading of a file with this content. Relative paths in the entries are relative to the file.
func parseFile(from content, file string) reading {
	if from.err != nil {
		return reading{err: from.err, from: from}
	}
	p := parseKubeconfig(from.data)
	for _, cluster := range p.config.Clusters {
		cluster.LocationOfOrigin = file
	}
	for _, user := range p.config.AuthInfos {
		user.LocationOfOrigin = file
	}
	for _, context := range p.config.Contexts {
		context.LocationOfOrigin = file
	}
	if err := clientcmd.ResolveLocalPaths(p.config); err != nil {
		p.errs = append(p.errs, err)
	}
	return reading{parsed: &p, from: from}
}

// loadingRules returns the rules by which kubectl reads files, and writes a renewed login.
func loadingRules(path string) *clientcmd.ClientConfigLoadingRules {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
	return rules
}

// ReadBounded reads a kubeconfig, or a file that one names, if it is a regular file of at most 16 MiB. Its errors do
// not have the path.
func ReadBounded(path string) ([]byte, error) {
	// Opening a pipe waits for its writer, and what is read of it cannot be read again.
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() && !info.IsDir() && !isNull(info) {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxKubeconfig+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if len(data) > maxKubeconfig {
		return nil, fmt.Errorf("larger than %d MiB", maxKubeconfig>>20)
	}
	return data, nil
}

// isNull reports whether a file is the system's empty one, which stands for no kubeconfig.
func isNull(info fs.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}

// withoutPath returns err without the path, which a Problem has already.
func withoutPath(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// addFile adds the entries of a file that earlier files do not have.
func (m *merged) addFile(p *parsed, file string) {
	for _, err := range p.errs {
		m.problems = append(m.problems, Problem{File: file, Err: err})
	}
	for name, cluster := range p.config.Clusters {
		key := entryKey{"clusters", name}
		switch first := m.config.Clusters[name]; {
		case first == nil && m.broken[key] == nil:
			m.config.Clusters[name] = cluster
		case first != nil && !sameCluster(first, cluster):
			m.hidden[hiddenEntry{key, file}] = first.LocationOfOrigin
		}
	}
	for name, user := range p.config.AuthInfos {
		key := entryKey{"users", name}
		switch first := m.config.AuthInfos[name]; {
		case first == nil && m.broken[key] == nil:
			m.config.AuthInfos[name] = user
		case first != nil && !sameUser(first, user):
			m.hidden[hiddenEntry{key, file}] = first.LocationOfOrigin
		}
	}
	for key, err := range p.broken {
		first := m.broken[key] == nil && m.config.Clusters[key.name] == nil
		if key.list == "users" {
			first = m.broken[key] == nil && m.config.AuthInfos[key.name] == nil
		}
		if first {
			m.broken[key] = fmt.Errorf("%s: %w", file, err)
		}
	}
	for _, entry := range p.contexts {
		if m.contextNames[entry.name] {
			m.hideContext(entry.name, file, p.config.Contexts[entry.name])
			continue
		}
		entry.file = file
		m.contexts, m.contextNames[entry.name] = append(m.contexts, entry), true
		if context := p.config.Contexts[entry.name]; context != nil {
			m.config.Contexts[entry.name] = context
		}
	}
	if m.config.CurrentContext == "" {
		m.config.CurrentContext = p.config.CurrentContext
	}
}
