package kube

import (
	"context"
	"errors"
	"time"

	"fairlead/kube/api"
	"fairlead/kube/carrier"
	"fairlead/kube/objects"
)

// withdrawals withdraws Pods that are out of use from the carrier, and restores them. A Pod may be behind several watched
// Services, and is in use while one of them has it for new connections. Callers make one call at a time.
type withdrawals struct {
	carrier carrier.Carrier
	pods    map[objects.PodID]*podUse
}

// A podUse is the state of a Pod in the watched Services.
type podUse struct {
	listed, usable, ending int // the numbers of Services that list it, that have it for new connections, and as terminating
	reported               standing
}

// A standing is the state of a Pod that is reported to the carrier.
type standing int

const (
	unknown standing = iota
	inUse
	notReady
	ending
	unlisted
)

func newWithdrawals(c carrier.Carrier) *withdrawals {
	return &withdrawals{carrier: c, pods: map[objects.PodID]*podUse{}}
}

// change applies a change of a Service, given its Pods before and after.
func (w *withdrawals) change(before, after map[objects.PodID]objects.Listing) {
	for id, had := range after {
		w.count(id, 1, had)
	}
	for id, had := range before {
		w.count(id, -1, had)
	}
	for id := range after {
		w.report(id)
	}
	for id := range before {
		w.report(id)
	}
}

// drop removes a Service that is no longer watched. Its Pods that no other watched Service has are restored, since it is no
// longer known that they are out of use.
func (w *withdrawals) drop(before map[objects.PodID]objects.Listing) {
	for id, had := range before {
		w.count(id, -1, had)
		use := w.pods[id]
		if use.listed > 0 {
			w.report(id)
			continue
		}
		if use.reported == notReady || use.reported == ending {
			w.carrier.Restore(id.Namespace, id.Name, id.UID)
		}
		delete(w.pods, id)
	}
}

func (w *withdrawals) count(id objects.PodID, n int, had objects.Listing) {
	use := w.pods[id]
	if use == nil {
		use = &podUse{}
		w.pods[id] = use
	}
	use.listed += n
	if had.Usable {
		use.usable += n
	}
	if had.Ending {
		use.ending += n
	}
}

// report reports a Pod's standing to the carrier if it changed, and forgets a Pod that no Service lists.
func (w *withdrawals) report(id objects.PodID) {
	use := w.pods[id]
	if use == nil {
		return
	}
	now := use.standing()
	if now == unlisted {
		delete(w.pods, id)
	}
	if now == use.reported {
		return
	}
	use.reported = now
	switch now {
	case inUse:
		w.carrier.Restore(id.Namespace, id.Name, id.UID)
	case notReady:
		w.carrier.Withdraw(id.Namespace, id.Name, id.UID, carrier.NotReady)
	case ending:
		w.carrier.Withdraw(id.Namespace, id.Name, id.UID, carrier.Ending)
	case unlisted:
		w.carrier.Withdraw(id.Namespace, id.Name, id.UID, carrier.Unlisted)
	}
}

func (u *podUse) standing() standing {
	switch {
	case u.usable > 0:
		return inUse
	case u.listed == 0:
		return unlisted
	case u.ending > 0:
		return ending
	}
	return notReady
}

// standingWithin bounds the question about a Pod that no Service lists.
const standingWithin = 2 * time.Second

// standing asks for the standing of a Pod that no Service lists. It returns Unlisted if it cannot find out. It runs no
// credential plugin.
func (l *podLookup) standing(ctx context.Context, namespace, name, uid string) carrier.Standing {
	if !l.api.Login.LoggedIn() || !l.networks.mayLook(namespace) {
		return carrier.Unlisted
	}
	ctx, cancel := context.WithTimeout(ctx, standingWithin)
	defer cancel()
	pod, err := l.ask.Pod(ctx, namespace, name)
	switch {
	case errors.Is(err, api.ErrAbsent):
		return carrier.Gone
	case api.IsForbidden(err):
		l.networks.refuse(namespace)
		return carrier.Unlisted
	case err != nil:
		return carrier.Unlisted
	case uid != "" && pod.UID != uid, pod.Ended():
		return carrier.Gone
	case pod.Ending:
		return carrier.Ending
	}
	return carrier.NotReady
}
