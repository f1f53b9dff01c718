package fault

import (
	"fmt"
	"io/fs"
	"strings"
)

// A Denied is a change that the API server did not make, although the user may ask for it: its admission, a quota or a
// webhook objects, or what it depends on does not exist.
type Denied struct {
	Verb      string // "create", "delete"
	Resource  string
	Namespace string
	Name      string
	Text      string // the API server's own words
}

func (e *Denied) Error() string {
	return fmt.Sprintf("%s %s %s/%s was denied: %s", e.Verb, e.Resource, e.Namespace, e.Name, e.Text)
}

// Unwrap returns fs.ErrPermission.
func (e *Denied) Unwrap() error { return fs.ErrPermission }

// A WorkloadProblem is why a Deployment has no ready Pod, or why an object cannot be made or removed.
type WorkloadProblem string

// The values of WorkloadProblem.
const (
	NoImage       WorkloadProblem = "image"       // its image cannot be pulled
	NoPod         WorkloadProblem = "admission"   // its Pods are refused: by Pod Security, or by a webhook
	NoNode        WorkloadProblem = "scheduling"  // no node takes its Pod
	NotStarting   WorkloadProblem = "start"       // its container cannot be started, or ends
	NotReadyYet   WorkloadProblem = "slow"        // it is not ready in time, and nothing says why
	QuotaExceeded WorkloadProblem = "quota"       // a quota of the namespace leaves no room for its Pod
	ForeignObject WorkloadProblem = "not ours"    // an object of its name is there, which is not Fairlead's
	MadeElsewhere WorkloadProblem = "another's"   // it is Fairlead's, and was made by another user, another machine or a manifest
	StillThere    WorkloadProblem = "still there" // it is being removed, and that takes longer than expected
	OtherImage    WorkloadProblem = "other image" // it is there, with the image in Text
	OtherKind     WorkloadProblem = "other kind"  // it is there, and is what Text says instead of Wanted
	NoCertificate WorkloadProblem = "certificate" // it is there, and the client's certificate for it is not here any more
	Vanished      WorkloadProblem = "vanished"    // it was removed while it was waited for
)

// A Workload is a Deployment that is not ready, or an object that cannot be made or removed.
type Workload struct {
	Problem   WorkloadProblem
	Kind      string // "Deployment", "Service" or "Secret"
	Namespace string
	Name      string
	Image     string // of its container
	Text      string // the cluster's own words; may be empty
	Wanted    string // what was to be deployed, with OtherKind
}

func (e *Workload) Error() string {
	return fmt.Sprintf("%s %s/%s: %s%s", e.Kind, e.Namespace, e.Name, e.Problem, prefixed(": ", e.Text))
}

// MissingRights are the rights that a change takes and the user does not have.
type MissingRights struct {
	Of []Forbidden // one for each resource
}

func (e *MissingRights) Error() string {
	var texts []string
	for _, f := range e.Of {
		texts = append(texts, fmt.Sprintf("%s %s", strings.Join(f.Verbs, ", "), f.Resource))
	}
	return "missing rights: " + strings.Join(texts, "; ")
}

// Unwrap returns fs.ErrPermission.
func (e *MissingRights) Unwrap() error { return fs.ErrPermission }
