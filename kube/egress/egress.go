package egress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead/kube/api"
	"fairlead/kube/fault"
)

// Made identifies the objects that were made, so that they can be removed later.
type Made struct {
	Secret, Service, Deployment string // their UIDs; empty for what was not made
}

// A Status is the state of the proxy of a namespace.
type Status struct {
	There      bool   // the Service and the Deployment exist
	Ready      bool   // a Pod is ready
	Image      string // of the Deployment
	Kind       Kind
	TLSSecret  string // as a Spec has it
	Service    string // its UID, or empty
	Deployment string // its UID, or empty
	Problem    *fault.Workload
	Waiting    string // what its Pod waits for, in Kubernetes' words; may be empty
}

// CheckRights returns a *fault.MissingRights unless the user has all the rights that making and removing the proxy takes.
func CheckRights(ctx context.Context, client *api.Client, s Spec) error {
	verbs := []string{"get", "create", "delete"}
	var needed []api.Right
	for _, r := range s.resources() {
		for _, verb := range verbs {
			needed = append(needed, r.right(verb))
		}
	}
	has, err := client.MayEach(ctx, s.Namespace, needed...)
	if err != nil {
		return err
	}
	var missing fault.MissingRights
	for _, r := range s.resources() {
		lacking := fault.Forbidden{Resource: r.name, Namespace: s.Namespace}
		for _, verb := range verbs {
			if !has[r.right(verb)] {
				lacking.Verbs = append(lacking.Verbs, verb)
			}
		}
		if lacking.Verbs != nil {
			missing.Of = append(missing.Of, lacking)
		}
	}
	if missing.Of == nil {
		return nil
	}
	return &missing
}

// IsThere reports whether a namespace has the Service of a proxy of Fairlead's. If that is of another Spec, it returns a
// *fault.Workload. It needs only the right to get Services.
func IsThere(ctx context.Context, client *api.Client, s Spec) (bool, error) {
	f, err := read(ctx, client, s.Namespace, services)
	if err != nil || f.uid == "" || !f.ours || f.deleted {
		return false, err
	}
	return true, s.checkKind(services, f.kind, f.tlsSecret)
}

// checkKind returns a *fault.Workload if an object is of another Kind than the Spec's, or has another Secret.
func (s Spec) checkKind(of resource, kind Kind, tlsSecret string) error {
	if kind == s.kind() && tlsSecret == s.TLSSecret {
		return nil
	}
	p := problem(fault.OtherKind, of.kind, s.Namespace, describe(kind, tlsSecret))
	p.Wanted = describe(s.kind(), s.TLSSecret)
	return p
}

// Check returns a *fault.Workload if something other than the Spec is there.
func (s Spec) Check(now Status) error {
	if now.Deployment != "" && s.Image != "" && now.Image != s.Image {
		p := problem(fault.OtherImage, deployments.kind, s.Namespace, now.Image)
		p.Image = s.Image
		return p
	}
	switch {
	case now.Deployment != "":
		return s.checkKind(deployments, now.Kind, now.TLSSecret)
	case now.Service != "":
		return s.checkKind(services, now.Kind, now.TLSSecret)
	}
	return nil
}

// describe returns a few words for what is deployed.
func describe(kind Kind, tlsSecret string) string {
	if tlsSecret == "" {
		return string(kind)
	}
	return fmt.Sprintf("%s with the certificates of Secret %s", kind, tlsSecret)
}

// Look returns the state of the proxy of a namespace. Objects of its name that are not Fairlead's are a Problem.
func Look(ctx context.Context, client *api.Client, namespace string) (Status, error) {
	var s Status
	service, err := read(ctx, client, namespace, services)
	if err != nil {
		return s, err
	}
	deployment, err := read(ctx, client, namespace, deployments)
	if err != nil {
		return s, err
	}
	s.Service, s.Deployment, s.Image = service.uid, deployment.uid, deployment.image
	s.Kind, s.TLSSecret = service.kind, service.tlsSecret
	if service.uid == "" {
		s.Kind, s.TLSSecret = deployment.kind, deployment.tlsSecret
	}
	switch {
	case service.uid != "" && !service.ours:
		s.Problem = problem(fault.ForeignObject, services.kind, namespace, "")
		return s, nil
	case deployment.uid != "" && !deployment.ours:
		s.Problem = problem(fault.ForeignObject, deployments.kind, namespace, "")
		return s, nil
	case service.deleted || deployment.deleted:
		s.Problem = problem(fault.StillThere, deployments.kind, namespace, "")
		return s, nil
	}
	if s.There = service.uid != "" && deployment.uid != ""; !s.There {
		return s, nil
	}
	if s.Ready = deployment.ready > 0 && deployment.observed >= deployment.generation; s.Ready {
		return s, nil
	}
	list, err := pods(ctx, client, namespace)
	if err != nil {
		return s, err
	}
	s.explain(namespace, deployment, list)
	return s, nil
}

func problem(p fault.WorkloadProblem, kind, namespace, text string) *fault.Workload {
	return &fault.Workload{Problem: p, Kind: kind, Namespace: namespace, Name: Name, Text: api.Excerpt(text)}
}

// imageReasons are the reasons of a waiting container whose image is not there. The kubelet tries again, and after a first
// failure says ErrImagePull.
var imageReasons = []string{"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable"}

// explain sets why the proxy is not ready.
func (s *Status) explain(namespace string, d found, list []pod) {
	set := func(p fault.WorkloadProblem, text string) {
		if s.Problem == nil {
			s.Problem = problem(p, deployments.kind, namespace, text)
			s.Problem.Image = d.image
		}
	}
	for _, p := range list {
		for _, w := range p.waiting {
			text := strings.Trim(w.reason+": "+w.message, ": ")
			switch {
			case slices.Contains(imageReasons, w.reason):
				set(fault.NoImage, text)
			case w.reason == "CrashLoopBackOff":
				for _, ended := range p.ended {
					text = strings.Trim(text+" "+ended.message, " ")
				}
				set(fault.NotStarting, text)
			case strings.HasPrefix(w.reason, "CreateContainer"), strings.HasPrefix(w.reason, "RunContainer"):
				set(fault.NotStarting, text)
			default:
				s.Waiting = cmp.Or(w.reason, s.Waiting)
			}
		}
		for _, c := range p.conditions {
			if c.kind == "PodScheduled" && c.status == "False" {
				set(fault.NoNode, c.message)
			}
		}
	}
	for _, c := range d.conditions {
		if c.kind != "ReplicaFailure" || c.status != "True" {
			continue
		}
		if strings.Contains(c.message, "exceeded quota") {
			set(fault.QuotaExceeded, c.message)
		} else {
			set(fault.NoPod, c.message)
		}
	}
}

// A Deployer makes and removes the proxy of a namespace.
type Deployer struct {
	Client *api.Client
	Spec   Spec
	// Patience is how long a proxy may take to be ready, and Settle how long a problem may last that can pass: a cluster may
	// add a node, and an image may be there at the second try. 0 means the defaults.
	Patience, Settle time.Duration
	// Progress is called with what is being waited for, whenever that changes. It may be nil.
	Progress func(text string)
}

// The defaults of a Deployer, and the pause between two polls.
const (
	patience = 3 * time.Minute
	settle   = 20 * time.Second
	pause    = 500 * time.Millisecond
)

// say reports progress.
func (d Deployer) say(text string) {
	if d.Progress != nil {
		d.Progress(text)
	}
}

// Make makes the objects that are not there yet. made has those that were made before. After each object, keep is called with
// all that were made, so that they can be removed whatever happens next. Objects of its name that are not Fairlead's are left
// alone, and are an error.
func (d Deployer) Make(ctx context.Context, made Made, keep func(Made) error) error {
	now, err := Look(ctx, d.Client, d.Spec.Namespace)
	if err != nil {
		return err
	}
	if p := now.Problem; p != nil && (p.Problem == fault.ForeignObject || p.Problem == fault.StillThere) {
		return p
	}
	if err := d.Spec.Check(now); err != nil {
		return err
	}
	there := map[resource]string{services: now.Service, deployments: now.Deployment}
	for _, r := range d.Spec.resources() {
		if there[r] != "" {
			continue
		}
		q := api.Question{Resource: r.name, Namespace: d.Spec.Namespace, Name: Name}
		created, err := d.Client.Create(ctx, q, d.Spec.object(r))
		if err != nil {
			return err
		}
		*made.uid(r) = created.UID
		if err := keep(made); err != nil {
			return err
		}
		d.say(r.kind + " " + d.Spec.Namespace + "/" + Name + " made")
	}
	return nil
}

// HasSecret reports whether the Secret with this UID is there. Another one in its place is a *fault.Workload: its
// certificates are not known here.
func (d Deployer) HasSecret(ctx context.Context, uid string) (bool, error) {
	f, err := read(ctx, d.Client, d.Spec.Namespace, secrets)
	switch {
	case err != nil || f.uid == "":
		return false, err
	case f.deleted:
		return false, problem(fault.StillThere, secrets.kind, d.Spec.Namespace, "")
	case f.uid == uid:
		return true, nil
	case f.ours:
		return false, problem(fault.MadeElsewhere, secrets.kind, d.Spec.Namespace, "")
	}
	return false, problem(fault.ForeignObject, secrets.kind, d.Spec.Namespace, "")
}

// uid returns a pointer to the UID of an object.
func (m *Made) uid(of resource) *string {
	switch of {
	case secrets:
		return &m.Secret
	case services:
		return &m.Service
	}
	return &m.Deployment
}

// Wait waits until the proxy is ready. If it does not become ready, the error is a *fault.Workload that says why.
func (d Deployer) Wait(ctx context.Context) error {
	most, some := cmp.Or(d.Patience, patience), cmp.Or(d.Settle, settle)
	began, last := time.Now(), ""
	var since time.Time // of the problem
	for {
		now, err := Look(ctx, d.Client, d.Spec.Namespace)
		switch {
		case err != nil:
			return err
		case now.Ready:
			return nil
		case !now.There && now.Problem == nil:
			return problem(fault.Vanished, deployments.kind, d.Spec.Namespace, "")
		case now.Problem == nil:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		}
		if now.Problem != nil && (time.Since(since) >= some || !canPass(now.Problem.Problem)) {
			return now.Problem
		}
		if time.Since(began) >= most {
			if now.Problem != nil {
				return now.Problem
			}
			return problem(fault.NotReadyYet, deployments.kind, d.Spec.Namespace, now.Waiting)
		}
		text := "waiting for its Pod: " + cmp.Or(now.Waiting, "not ready yet")
		if now.Problem != nil {
			text = "waiting for its Pod: " + cmp.Or(now.Problem.Text, string(now.Problem.Problem))
		}
		if text != last {
			d.say(text)
			last = text
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// canPass reports whether a problem may go away by itself.
func canPass(p fault.WorkloadProblem) bool {
	return p != fault.ForeignObject && p != fault.StillThere && p != fault.QuotaExceeded && p != fault.NoPod
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// removal bounds how long Remove waits until nothing is left.
const removal = time.Minute

// Remove removes what was made, and returns when nothing of it is left, its Pods included. What is there under its name with
// another UID is left alone. It reports whether there was anything to remove.
func (d Deployer) Remove(ctx context.Context, made Made) (removed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, removal)
	defer cancel()
	for _, r := range []resource{services, deployments, secrets} {
		uid := *made.uid(r)
		if uid == "" {
			continue
		}
		f, err := read(ctx, d.Client, d.Spec.Namespace, r)
		if err != nil {
			return removed, err
		}
		if f.uid != uid {
			continue // it is gone, and what is there now is another's
		}
		if !f.ours {
			return removed, problem(fault.ForeignObject, r.kind, d.Spec.Namespace, "")
		}
		q := api.Question{Resource: r.name, Namespace: d.Spec.Namespace, Name: Name}
		if err := d.Client.Delete(ctx, q, uid); err != nil && !errors.Is(err, api.ErrAbsent) {
			return removed, err
		}
		removed = true
		if err := d.awaitGone(ctx, r, uid); err != nil {
			return removed, err
		}
		d.say(r.kind + " " + d.Spec.Namespace + "/" + Name + " removed")
	}
	return removed, nil
}

// awaitGone waits until an object and what belongs to it are gone.
func (d Deployer) awaitGone(ctx context.Context, of resource, uid string) error {
	for {
		f, err := read(ctx, d.Client, d.Spec.Namespace, of)
		switch {
		case err == nil && f.uid != uid:
			return nil
		case ctx.Err() != nil:
			return problem(fault.StillThere, of.kind, d.Spec.Namespace, "")
		case err != nil:
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return problem(fault.StillThere, of.kind, d.Spec.Namespace, "")
		}
	}
}
