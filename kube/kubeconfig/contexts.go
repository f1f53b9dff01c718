// Package kubeconfig reads kubeconfig files as kubectl does, and reports of each context whether it can be used, and
// why not. It watches the files, and returns what client-go needs for a context. It runs no credential plugin and sends
// nothing to a server.
package kubeconfig

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/kube/fault"
	"fairlead/proxy/safetext"
)

// A Context is one context of the kubeconfig.
type Context struct {
	Name      string
	Cluster   string
	User      string
	Namespace string // for names without one; "default" if the kubeconfig has none
	Server    string // the API server's URL, without credentials
	File      string // where the context is
	Current   bool   // it is the kubeconfig's current-context
	Err       error  // why it cannot be used, without secrets; nil if it can
	Warning   error  // what the user should know first, such as that it leads elsewhere than its own file says; nil if there is nothing

	fingerprint string
}

// Fingerprint returns a text that changes when the context's entry in the kubeconfig changes, or its cluster's or its
// user's, with the data and the names of files in them. The content of other files does not count. It holds no secret,
// and is only for comparing.
func (c Context) Fingerprint() string { return c.fingerprint }

// A Problem is a kubeconfig file, or a part of one, that could not be read. Its text is "FILE: line N: …" if the line
// is known.
type Problem struct {
	File string
	Err  error // without anything from the file that may be a secret

	// Harmless reports whether the file was read whole, and the problem only says what of it does not count.
	Harmless bool
}

func (p Problem) Error() string { return p.File + ": " + p.Err.Error() }

// Unwrap returns the cause.
func (p Problem) Unwrap() error { return p.Err }

// A Config is the content of one or more kubeconfig files, merged.
type Config struct {
	Contexts []Context // in the order of the files and within them
	Problems []Problem
	Files    []string // the files that were looked for, in order

	merged *merged // nil in the zero Kubeconfig; shared, and must not be changed
}

// Load reads the kubeconfig at path. With an empty path it reads what kubectl reads: the files that the environment
// variable KUBECONFIG lists, of which missing ones do not matter, else ~/.kube/config. Of contexts, clusters and users
// with the same name the first file's counts, and relative paths are relative to their file. If that makes a
// difference, the context has a Warning, or is among the Problems if it does not count itself.
//
// A file that cannot be read is among the Problems, a context that cannot be used has its Err, and neither hides the
// others. Load runs nothing and sends nothing to a server.
func Load(path string) Config {
	return readKubeconfig(path).kubeconfig()
}

func (m *merged) kubeconfig() Config {
	k := Config{Problems: m.problems, Files: m.files, merged: m}
	for _, entry := range m.contexts {
		k.Contexts = append(k.Contexts, m.context(entry))
	}
	m.examination = examination{} // which has keys and tokens
	return k
}

// context returns the context of one entry, with the reason why it cannot be used.
func (m *merged) context(entry contextEntry) Context {
	c := Context{
		Name:    safetext.Clean(entry.name),
		File:    entry.file,
		Current: entry.name == m.config.CurrentContext,
	}
	if entry.err != nil {
		c.Err = &fault.Kubeconfig{Entry: "context", Name: c.Name, Source: c.File, Err: entry.err}
	}
	written := m.config.Contexts[entry.name]
	if written == nil {
		c.fingerprint = fmt.Sprint(c.Err)
		return c
	}
	c.Cluster, c.User, c.Namespace = safetext.Clean(written.Cluster), safetext.Clean(written.AuthInfo), safetext.Clean(written.Namespace)
	if c.Namespace == "" {
		c.Namespace = "default"
	}
	c.Server = m.examinedCluster(written.Cluster).server
	switch {
	case c.Err != nil:
	case c.Name != entry.name:
		c.Err = &fault.Kubeconfig{Cause: fault.KubeconfigName, Entry: "context", Name: c.Name, Source: c.File}
	default:
		c.Err = m.checkUsable(entry, written)
	}
	if warning := m.hiddenParts(entry.name, entry.file, written); warning != nil {
		c.Warning = warning
	}
	c.fingerprint = m.fingerprint(c, written)
	return c
}

// execExtension is the only extension of a cluster's entry that has an effect on the cluster: credential plugins get
// it.
const execExtension = "client.authentication.k8s.io/exec"

// fingerprint distinguishes the states of a context. Paths are resolved in it, so a file that moves together with the
// files it names counts as changed. Other programs keep dates in their extensions; those do not count.
func (m *merged) fingerprint(c Context, written *clientcmdapi.Context) string {
	hash := sha256.New()
	cluster, user := m.examinedCluster(written.Cluster).sum, m.examinedUser(written.AuthInfo).sum
	fmt.Fprintf(hash, "%q %q %q %x %x %v", written.Cluster, written.AuthInfo, written.Namespace, cluster, user, c.Err)
	return hex.EncodeToString(hash.Sum(nil))
}

// serverText returns a cluster's server in a form that may be shown: without the credentials that a URL can hold.
func serverText(server string) (string, error) {
	if server == "" {
		return "", nil
	}
	u, err := url.Parse(server)
	if !strings.Contains(server, "://") {
		// client-go accepts host:port, too.
		u, err = url.Parse("https://" + server)
	}
	if err != nil || u.Hostname() == "" {
		return "", errors.New("its server is not a URL")
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return safetext.Clean(u.String()), nil
}
