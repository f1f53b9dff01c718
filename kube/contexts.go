package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/runtime"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
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
}

func (p Problem) Error() string { return p.File + ": " + p.Err.Error() }

// Unwrap gives the cause.
func (p Problem) Unwrap() error { return p.Err }

// A Kubeconfig is what one or more kubeconfig files say, taken together.
type Kubeconfig struct {
	Contexts []Context // in the order of the files and within them
	Problems []Problem
	Files    []string // the files looked for, in order
}

// Load reads the kubeconfig at path. With an empty path it reads what kubectl reads: the files that the environment
// variable KUBECONFIG lists, of which missing ones do not matter, else ~/.kube/config. Of contexts, clusters and users
// with one name the first file's counts, and relative paths are relative to the file they stand in.
//
// A file that cannot be read is among the Problems, a context that cannot be used has its Err, and neither hides the
// others. Nothing is run and no server is asked.
func Load(path string) Kubeconfig {
	return readKubeconfig(path).kubeconfig()
}

func (m *merged) kubeconfig() Kubeconfig {
	k := Kubeconfig{Problems: m.problems, Files: m.files}
	for _, entry := range m.contexts {
		k.Contexts = append(k.Contexts, m.context(entry))
	}
	return k
}

// context describes one entry, and finds what speaks against using it.
func (m *merged) context(entry contextEntry) Context {
	c := Context{
		Name:    printable(entry.name),
		File:    entry.file,
		Current: entry.name == m.config.CurrentContext,
		Err:     entry.err,
	}
	written := m.config.Contexts[entry.name]
	if written == nil {
		c.fingerprint = fmt.Sprint(c.Err)
		return c
	}
	c.Cluster, c.User, c.Namespace = printable(written.Cluster), printable(written.AuthInfo), printable(written.Namespace)
	if c.Namespace == "" {
		c.Namespace = "default"
	}
	var serverErr error
	if cluster := m.config.Clusters[written.Cluster]; cluster != nil {
		c.Server, serverErr = serverText(cluster.Server)
	}
	switch {
	case c.Err != nil:
	case c.Name != entry.name:
		c.Err = errors.New("its name has characters that cannot be shown")
	default:
		c.Err = errors.Join(m.usable(entry.name, written), serverErr)
	}
	c.fingerprint = m.fingerprint(c, written)
	return c
}

// execExtension is the one extension of a cluster's entry that reaches the cluster: what a credential plugin is told.
const execExtension = "client.authentication.k8s.io/exec"

// fingerprint tells one state of a context from another. Paths in it are already those that are meant, so that a file
// that moves with what it names counts as changed. Other programs keep dates in their extensions; those do not count.
func (m *merged) fingerprint(c Context, written *clientcmdapi.Context) string {
	var cluster clientcmdapi.Cluster
	if found := m.config.Clusters[written.Cluster]; found != nil {
		cluster = *found
		cluster.Extensions = map[string]runtime.Object{execExtension: found.Extensions[execExtension]}
	}
	var user clientcmdapi.AuthInfo
	if found := m.config.AuthInfos[written.AuthInfo]; found != nil {
		user = *found
		user.Extensions = nil
	}
	sum := sha256.New()
	encoder := json.NewEncoder(sum)
	for _, part := range []any{written.Cluster, written.AuthInfo, written.Namespace, cluster, user, fmt.Sprint(c.Err)} {
		if err := encoder.Encode(part); err != nil {
			fmt.Fprintf(sum, "%v", err) // an extension of the kubeconfig that is no JSON
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// usable says what keeps a context from being used, as far as its files tell.
func (m *merged) usable(name string, context *clientcmdapi.Context) error {
	if err := m.broken[entryKey{"clusters", context.Cluster}]; err != nil {
		return fmt.Errorf("its cluster %q: %w", context.Cluster, err)
	}
	if err := m.broken[entryKey{"users", context.AuthInfo}]; err != nil {
		return fmt.Errorf("its user %q: %w", context.AuthInfo, err)
	}
	if cluster := m.config.Clusters[context.Cluster]; cluster != nil {
		// client-go's own complaint repeats the URL, and with it the proxy's password.
		if err := checkProxyURL(cluster.ProxyURL); err != nil {
			return fmt.Errorf("its cluster %q: %w", context.Cluster, err)
		}
	}
	if err := m.dangling(context); err != nil {
		return err
	}
	err := clientcmd.ConfirmUsable(*m.config, name)
	var several utilerrors.Aggregate
	if !errors.As(err, &several) {
		return err
	}
	var reasons []string
	for _, reason := range several.Errors() {
		text := strings.TrimSuffix(reason.Error(), ".")
		if reason == clientcmd.ErrEmptyCluster && len(several.Errors()) > 1 {
			continue // what follows from a cluster that was not found, and adds nothing
		}
		reasons = append(reasons, printable(text))
	}
	return errors.New(strings.Join(reasons, "; "))
}

// dangling returns what is wrong with the names of a context's cluster and user, of which client-go complains up to three
// times.
func (m *merged) dangling(context *clientcmdapi.Context) error {
	var unnamed, missing []string
	switch {
	case context.Cluster == "":
		unnamed = append(unnamed, "cluster")
	case m.config.Clusters[context.Cluster] == nil:
		missing = append(missing, fmt.Sprintf("the cluster %q", printable(context.Cluster)))
	}
	switch {
	case context.AuthInfo == "":
		unnamed = append(unnamed, "user")
	case m.config.AuthInfos[context.AuthInfo] == nil:
		missing = append(missing, fmt.Sprintf("the user %q", printable(context.AuthInfo)))
	}
	var parts []string
	if len(unnamed) > 0 {
		parts = append(parts, "names no "+strings.Join(unnamed, " and no "))
	}
	if len(missing) > 0 {
		parts = append(parts, "names "+strings.Join(missing, " and ")+", which the kubeconfig does not have")
	}
	if len(parts) == 0 {
		return nil
	}
	return errors.New("it " + strings.Join(parts, ", and "))
}

func checkProxyURL(proxy string) error {
	if proxy == "" {
		return nil
	}
	u, err := url.Parse(proxy)
	if err != nil {
		return errors.New("its proxy-url is not a URL")
	}
	switch u.Scheme {
	case "http", "https", "socks5":
		return nil
	}
	return fmt.Errorf("its proxy-url has the scheme %q, not http, https or socks5", printable(u.Scheme))
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
		return "", errors.New("its cluster's server is not a URL")
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return printable(u.String()), nil
}

// printable replaces what could change the look of a terminal or a menu.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
