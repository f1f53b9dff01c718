package kube

import (
	"context"
	"errors"
	"time"

	"fairlead/kube/api"
	"fairlead/kube/carrier"
	"fairlead/kube/objects"
)

// withdrawals tells the carrier which Pods are out of use. A Pod may be behind several Services that are watched, and is in
// use while one of them has it for new connections. Its caller sees to it that there is one call at a time.
type withdrawals struct {
	carrier carrier.Carrier
	pods    map[objects.PodID]*podUse
}

// A podUse is how the watched Services have a Pod.
type podUse struct {
	listed, usable, ending int // Services that have it at all, for new connections, and as one that was told to end
	told                   standing
}

// A standing is what the carrier was told of a Pod.
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

// change takes the Pods of a Service before and after a change.
func (w *withdrawals) change(before, after map[objects.PodID]objects.Listing) {
	for id, had := range after {
		w.count(id, 1, had)
	}
	for id, had := range before {
		w.count(id, -1, had)
	}
	for id := range after {
		w.tell(id)
	}
	for id := range before {
		w.tell(id)
	}
}

// drop takes note that a Service is watched no more. Pods that only it had are no longer known to be out of use.
func (w *withdrawals) drop(before map[objects.PodID]objects.Listing) {
	for id, had := range before {
		w.count(id, -1, had)
		use := w.pods[id]
		if use.listed > 0 {
			w.tell(id)
			continue
		}
		if use.told == notReady || use.told == ending {
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

// tell tells the carrier what became of a Pod, and forgets one that is listed nowhere.
func (w *withdrawals) tell(id objects.PodID) {
	use := w.pods[id]
	if use == nil {
		return
	}
	now := use.standing()
	if now == unlisted {
		delete(w.pods, id)
	}
	if now == use.told {
		return
	}
	use.told = now
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

// standingWithin bounds the question about a Pod that no Service leads to.
const standingWithin = 2 * time.Second

// standing asks what became of a Pod that no Service leads to. Unlisted means that it cannot be told. No plugin runs
// for that.
func (r *resolver) standing(ctx context.Context, namespace, name, uid string) carrier.Standing {
	if !r.api.Login.LoggedIn() || !r.networks.mayLook(namespace) {
		return carrier.Unlisted
	}
	ctx, cancel := context.WithTimeout(ctx, standingWithin)
	defer cancel()
	pod, err := r.ask.Pod(ctx, namespace, name)
	switch {
	case errors.Is(err, api.ErrAbsent):
		return carrier.Gone
	case api.IsForbidden(err):
		r.networks.refuse(namespace)
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
