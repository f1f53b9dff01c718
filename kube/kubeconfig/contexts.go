// Package kubeconfig reads kubeconfig files as kubectl does and says of each context whether it can be used, and why not.
// It watches the files, and hands client-go what it needs for a context. It runs no credential plugin and asks no server.
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
	Namespace string // for names that carry none; "default" where the kubeconfig has none
	Server    string // the API server's URL, without credentials
	File      string // where the context is written
	Current   bool   // it is the kubeconfig's current-context
	Err       error  // why it cannot be used, without secrets; nil when nothing speaks against it
	Warning   error  // what is to be known before it is used, such as that it leads elsewhere than its own file says; nil for nothing

	fingerprint string
}

// Fingerprint changes when what the kubeconfig says of this context changes: its own entry, its cluster's or its user's,
// with the data and the names of files in them. What stands in other files does not count. It holds no secret, and is
// of no use but to be compared.
func (c Context) Fingerprint() string { return c.fingerprint }

// A Problem is a kubeconfig file, or a part of one, that could not be read. It is an error that reads
// "FILE: line N: …" where the line is known.
type Problem struct {
	File string
	Err  error // without anything the file says where a secret may stand

	// Harmless means that the file was read whole, and that it is only to be known what of it does not count.
	Harmless bool
}

func (p Problem) Error() string { return p.File + ": " + p.Err.Error() }

// Unwrap gives the cause.
func (p Problem) Unwrap() error { return p.Err }

// A Config is what one or more kubeconfig files say, taken together.
type Config struct {
	Contexts []Context // in the order of the files and within them
	Problems []Problem
	Files    []string // the files looked for, in order

	merged *merged // nil in the zero Kubeconfig; shared, and must not be changed
}

// Load reads the kubeconfig at path. With an empty path it reads what kubectl reads: the files that the environment
// variable KUBECONFIG lists, of which missing ones do not matter, else ~/.kube/config. Of contexts, clusters and users
// with one name the first file's counts, and relative paths are relative to the file they stand in. Where that makes a
// difference, the context has a Warning, or is among the Problems if it does not count itself.
//
// A file that cannot be read is among the Problems, a context that cannot be used has its Err, and neither hides the
// others. Nothing is run and no server is asked.
func Load(path string) Config {
	return readKubeconfig(path).kubeconfig()
}

func (m *merged) kubeconfig() Config {
	k := Config{Problems: m.problems, Files: m.files, merged: m}
	for _, entry := range m.contexts {
		k.Contexts = append(k.Contexts, m.context(entry))
	}
	m.examination = examination{} // what keys and tokens were read is not kept
	return k
}

// context describes one entry, and finds what speaks against using it.
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
	if overruled := m.overruled(entry.name, entry.file, written); overruled != nil {
		c.Warning = overruled
	}
	c.fingerprint = m.fingerprint(c, written)
	return c
}

// execExtension is the one extension of a cluster's entry that reaches the cluster: what a credential plugin is told.
const execExtension = "client.authentication.k8s.io/exec"

// fingerprint tells one state of a context from another. Paths in it are already those that are meant, so that a file
// that moves with what it names counts as changed. Other programs keep dates in their extensions; those do not count.
func (m *merged) fingerprint(c Context, written *clientcmdapi.Context) string {
	hash := sha256.New()
	cluster, user := m.examinedCluster(written.Cluster).sum, m.examinedUser(written.AuthInfo).sum
	fmt.Fprintf(hash, "%q %q %q %x %x %v", written.Cluster, written.AuthInfo, written.Namespace, cluster, user, c.Err)
	return hex.EncodeToString(hash.Sum(nil))
}

// serverText gives a cluster's server as it may be shown: without the credentials that a URL can hold.
func serverText(server string) (string, error) {
	if server == "" {
		return "", nil
	}
	u, err := url.Parse(server)
	if !strings.Contains(server, "://") {
		// client-go takes host:port as well.
		u, err = url.Parse("https://" + server)
	}
	if err != nil || u.Hostname() == "" {
		return "", errors.New("its server is not a URL")
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return safetext.Clean(u.String()), nil
}
