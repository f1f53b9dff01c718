package kubeconfig

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/kube/fault"
	"fairlead/proxy/safetext"
)

// An examination caches what was found in the entries and files that contexts name.
type examination struct {
	named    map[string]content // by path: the files that entries name and that were read
	blocks   map[pemBlock]bool  // whether a file has a block of a type
	examined map[entryKey]examinedEntry
}

func newExamination() examination {
	return examination{named: map[string]content{}, blocks: map[pemBlock]bool{}, examined: map[entryKey]examinedEntry{}}
}

// An examinedEntry is what a context needs to know of its cluster's or its user's entry. Any number of contexts may
// name one entry, and an entry may be as large as its file, so each is examined once.
type examinedEntry struct {
	server  string // of a cluster, as it may be shown
	err     error  // why the entry cannot be used
	reasons []string
	sum     [sha256.Size]byte // changes with the entry
}

// maxReasons limits how many of client-go's errors about one entry are repeated.
const maxReasons = 3

// examinedCluster examines a cluster's entry, unless that was done before. It returns the zero value if there is none.
func (m *merged) examinedCluster(name string) examinedEntry {
	key := entryKey{"clusters", name}
	found, known := m.examined[key]
	if written := m.config.Clusters[name]; written != nil && !known {
		found.server, _ = serverText(written.Server)
		found.err = m.checkCluster(fault.Kubeconfig{Entry: "cluster", Name: safetext.Clean(name), Source: written.LocationOfOrigin}, written)
		if found.err == nil { // else client-go might open a file that is not a regular one
			found.reasons = clientGoReasons("x", &clientcmdapi.Context{Cluster: name, AuthInfo: "x"}, written, &clientcmdapi.AuthInfo{})
		}
		hashed := *written
		hashed.Extensions = nil
		if extension := written.Extensions[execExtension]; extension != nil {
			hashed.Extensions = map[string]runtime.Object{execExtension: extension}
		}
		found.sum = sum(hashed)
		m.examined[key] = found
	}
	return found
}

// examinedUser examines a user's entry, unless that was done before. It returns the zero value if there is none.
func (m *merged) examinedUser(name string) examinedEntry {
	key := entryKey{"users", name}
	found, known := m.examined[key]
	if written := m.config.AuthInfos[name]; written != nil && !known {
		found.err = m.checkUser(fault.Kubeconfig{Entry: "user", Name: safetext.Clean(name), Source: written.LocationOfOrigin}, written)
		if found.err == nil {
			found.reasons = clientGoReasons("x", &clientcmdapi.Context{Cluster: "x", AuthInfo: name}, anyCluster, written)
		}
		hashed := *written
		hashed.Extensions = nil
		found.sum = sum(hashed)
		m.examined[key] = found
	}
	return found
}

// anyCluster is a cluster without errors.
var anyCluster = &clientcmdapi.Cluster{Server: "https://localhost"}

// sum returns the SHA-256 of v as JSON.
func sum(v any) (sum [sha256.Size]byte) {
	hash := sha256.New()
	if err := json.NewEncoder(hash).Encode(v); err != nil {
		fmt.Fprintf(hash, "%v", err) // an extension of the kubeconfig that is not JSON
	}
	hash.Sum(sum[:0])
	return sum
}

// clientGoErrors returns client-go's errors about a context, in one line.
func (m *merged) clientGoErrors(name string, context *clientcmdapi.Context) error {
	var reasons []string
	if name == "" || context.Namespace != "" && len(validation.IsDNS1123Label(context.Namespace)) > 0 { // client-go accepts all others, but is slow to do so
		reasons = clientGoReasons(name, context, anyCluster, &clientcmdapi.AuthInfo{})
	}
	reasons = slices.Concat(reasons, m.examinedUser(context.AuthInfo).reasons, m.examinedCluster(context.Cluster).reasons)
	if len(reasons) == 0 {
		return nil
	}
	return errors.New(strings.Join(reasons, "; "))
}

// clientGoReasons returns client-go's errors about a context with these entries.
func clientGoReasons(name string, context *clientcmdapi.Context, cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) []string {
	err := clientcmd.ConfirmUsable(clientcmdapi.Config{
		Contexts:       map[string]*clientcmdapi.Context{name: context},
		CurrentContext: name,
		Clusters:       map[string]*clientcmdapi.Cluster{context.Cluster: cluster},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{context.AuthInfo: user},
	}, name)
	if err == nil {
		return nil
	}
	errs := []error{err}
	var several utilerrors.Aggregate
	if errors.As(err, &several) {
		errs = several.Errors()
	}
	var reasons []string
	for _, err := range errs[:min(len(errs), maxReasons)] {
		reasons = append(reasons, safetext.Clean(strings.TrimSuffix(err.Error(), ".")))
	}
	if more := len(errs) - maxReasons; more > 0 {
		reasons = append(reasons, fmt.Sprintf("and %d more", more))
	}
	return reasons
}
