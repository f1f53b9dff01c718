package instance

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"fairlead/app/settings"
	"fairlead/kube/api"
	"fairlead/kube/egress"
	"fairlead/kube/fault"
)

// An Egress deploys a forward proxy in a context's cluster, makes it the route for hosts outside, and removes it.
type Egress struct {
	Settings *settings.Settings
	Context  string
	Client   *api.Client // of the context's API server
	Spec     egress.Spec
	// CA, Cert and Key are the files of its upstream, if the Spec has a Secret that is not made of its own Certificates.
	CA, Cert, Key string
	Progress      func(text string) // is called with what happens; it may be nil
	// Changed is called when the context's routes in the state have changed.
	Changed func(context.Context) error
}

// Found is what Check finds of an egress.
type Found int

// The values of Found.
const (
	Absent Found = iota // at least one of its objects
	There
	OnlyUsable // the user may use it, but may neither see whether it is ready nor remove it
)

func (e Egress) deployer() egress.Deployer {
	return egress.Deployer{Client: e.Client, Spec: e.Spec, Progress: e.Progress}
}

func (e Egress) record() settings.EgressRecord { return e.Settings.EgressOf(e.Context) }

// kept returns what the state has of the context's egress.
func (e Egress) kept() settings.Egress { return e.Settings.Effective(e.Context).Egress }

// Check returns whether the proxy is there, and what keeps it from being deployed: *fault.MissingRights, *fault.Workload,
// *OtherNamespaceError, or what keeps the API server from being asked. It changes nothing.
func (e Egress) Check(ctx context.Context) (Found, error) {
	e = e.Resumed()
	if kept := e.kept(); kept != (settings.Egress{}) && kept.Namespace != e.Spec.Namespace {
		return Absent, &OtherNamespaceError{e.Context, kept.Namespace}
	}
	if err := egress.CheckRights(ctx, e.Client, e.Spec); err != nil {
		if !errors.As(err, new(*fault.MissingRights)) {
			return Absent, err
		}
		// Somebody else may have deployed it.
		if there, lookErr := egress.IsThere(ctx, e.Client, e.Spec); there {
			return OnlyUsable, lookErr
		}
		return Absent, err
	}
	now, err := egress.Look(ctx, e.Client, e.Spec.Namespace)
	if err != nil {
		return Absent, err
	}
	if p := now.Problem; p != nil && (p.Problem == fault.ForeignObject || p.Problem == fault.StillThere) {
		return Absent, p
	}
	if err := e.Spec.Check(now); err != nil {
		return Absent, err
	}
	if now.There {
		return There, nil
	}
	return Absent, nil
}

// Resumed returns e with what was deployed before, unless its Spec has a Kind.
func (e Egress) Resumed() Egress {
	kept := e.kept()
	if e.Spec.Kind != "" || kept.Kind == "" || kept.Namespace != e.Spec.Namespace {
		return e
	}
	e.Spec.Kind, e.Spec.TLSSecret, e.Spec.Image = egress.Kind(kept.Kind), kept.TLSSecret, cmp.Or(e.Spec.Image, kept.Image)
	e.CA, e.Cert, e.Key = kept.CA, kept.Cert, kept.Key
	return e
}

// An OtherNamespaceError means that a context has an egress in another namespace.
type OtherNamespaceError struct{ Context, Namespace string }

func (e *OtherNamespaceError) Error() string {
	return fmt.Sprintf("context %s has an egress in namespace %s: `fairlead egress remove %[1]s` removes it", e.Context, e.Namespace)
}

// Deploy makes what is not there after Check has returned found, waits until it is ready, and makes it the context's route
// for hosts outside. What is made is kept in the state at once, so that Remove removes it even if Deploy fails.
func (e Egress) Deploy(ctx context.Context, found Found) error {
	e = e.Resumed()
	kept := e.kept()
	kept.Namespace, kept.URL = e.Spec.Namespace, e.Spec.URL()
	kept.Kind, kept.TLSSecret, kept.Image = string(e.Spec.Kind), e.Spec.TLSSecret, e.Spec.Image
	switch {
	case e.Spec.Certificates == nil:
		kept.CA, kept.Cert, kept.Key = e.CA, e.Cert, e.Key
	case found == OnlyUsable:
		return e.problem(fault.NoCertificate)
	default:
		var err error
		if kept, err = e.certify(ctx, kept); err != nil {
			return err
		}
	}
	if found != OnlyUsable {
		d := e.deployer()
		err := d.Make(ctx, made(kept), func(made egress.Made) error {
			kept.Secret, kept.Service, kept.Deployment = made.Secret, made.Service, made.Deployment
			return saved(e.record().Keep(kept))
		})
		if err != nil {
			return err
		}
		if err := d.Wait(ctx); err != nil {
			return err
		}
	}
	if err := saved(e.record().Keep(kept)); err != nil {
		return err
	}
	if err := saved(e.record().Use()); err != nil {
		return err
	}
	return e.Changed(ctx)
}

// made returns what is known to have been made of an egress.
func made(kept settings.Egress) egress.Made {
	return egress.Made{Secret: kept.Secret, Service: kept.Service, Deployment: kept.Deployment}
}

func (e Egress) problem(p fault.WorkloadProblem) error {
	return &fault.Workload{Problem: p, Kind: "Deployment", Namespace: e.Spec.Namespace, Name: egress.Name}
}

// certify saves the client's certificate, or leaves the certificates of an earlier Deploy in use.
func (e *Egress) certify(ctx context.Context, kept settings.Egress) (settings.Egress, error) {
	there, err := e.deployer().HasSecret(ctx, kept.Secret)
	switch {
	case err != nil:
		return kept, err
	case there && kept.HasCertificates():
		e.Spec.Certificates = nil
		return kept, nil
	case there:
		return kept, e.problem(fault.NoCertificate)
	}
	c := e.Spec.Certificates
	if kept, err = e.record().KeepCertificates(kept, c.Authority, c.Client, c.ClientKey); err != nil {
		return kept, err
	}
	return kept, saved(e.record().Keep(kept)) // so that Remove removes the files
}

// Remove makes the context's route for hosts outside what it was before Deploy, and removes what Deploy made. It reports
// whether there was anything in the cluster to remove. If it fails it can be called again.
func (e Egress) Remove(ctx context.Context) (removed bool, err error) {
	kept := e.kept()
	if kept.Namespace != e.Spec.Namespace { // that of none is empty
		return false, e.notOurs(ctx)
	}
	if err := saved(e.record().Leave()); err != nil {
		return false, err
	}
	if err := e.Changed(ctx); err != nil {
		return false, err
	}
	removed, err = e.deployer().Remove(ctx, made(kept))
	if err != nil {
		return removed, err
	}
	if err := saved(e.record().Forget()); err != nil {
		return removed, err
	}
	return removed, e.Changed(ctx)
}

// notOurs returns an error if there is a proxy that Deploy has not made.
func (e Egress) notOurs(ctx context.Context) error {
	now, err := egress.Look(ctx, e.Client, e.Spec.Namespace)
	switch {
	case err != nil:
		return err
	case now.Problem != nil && now.Problem.Problem == fault.ForeignObject:
		return now.Problem
	case now.Service != "" || now.Deployment != "":
		return e.problem(fault.MadeElsewhere)
	}
	return nil
}
