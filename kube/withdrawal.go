package kube

// withdrawals tells the carrier which Pods are out of use. A Pod may be behind several Services that are watched, and is in
// use while one of them has it for new connections. Its caller sees to it that there is one call at a time.
type withdrawals struct {
	carrier carrier
	pods    map[podID]*podUse
}

// A podUse is how the watched Services have a Pod.
type podUse struct {
	listed, usable int // Services that have it, and of them those that have it for new connections
	told           standing
}

// A standing is what the carrier was told of a Pod.
type standing int

const (
	unknown standing = iota
	inUse
	outOfUse
	gone
)

func newWithdrawals(c carrier) *withdrawals {
	return &withdrawals{carrier: c, pods: map[podID]*podUse{}}
}

// change takes the Pods of a Service before and after a change.
func (w *withdrawals) change(before, after map[podID]bool) {
	for id, usable := range after {
		w.count(id, 1, usable)
	}
	for id, usable := range before {
		w.count(id, -1, usable)
	}
	for id := range after {
		w.tell(id)
	}
	for id := range before {
		w.tell(id)
	}
}

// drop takes note that a Service is watched no more. Pods that only it had are no longer known to be out of use.
func (w *withdrawals) drop(before map[podID]bool) {
	for id, usable := range before {
		w.count(id, -1, usable)
		use := w.pods[id]
		if use.listed > 0 {
			w.tell(id)
			continue
		}
		if use.told == outOfUse {
			w.carrier.Restore(id.namespace, id.name, id.uid)
		}
		delete(w.pods, id)
	}
}

func (w *withdrawals) count(id podID, n int, usable bool) {
	use := w.pods[id]
	if use == nil {
		use = &podUse{}
		w.pods[id] = use
	}
	use.listed += n
	if usable {
		use.usable += n
	}
}

// tell tells the carrier what became of a Pod, and forgets one that is listed nowhere.
func (w *withdrawals) tell(id podID) {
	use := w.pods[id]
	if use == nil {
		return
	}
	now := outOfUse
	switch {
	case use.usable > 0:
		now = inUse
	case use.listed == 0:
		now = gone
		delete(w.pods, id)
	}
	if now == use.told {
		return
	}
	use.told = now
	if now == inUse {
		w.carrier.Restore(id.namespace, id.name, id.uid)
		return
	}
	w.carrier.Withdraw(id.namespace, id.name, id.uid, now == gone)
}
