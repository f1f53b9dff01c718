package portforward

import "time"

// A rate counts events in the last second or two.
type rate struct {
	second time.Time
	now    int
	before int
}

func (r *rate) roll(t time.Time) {
	switch passed := t.Sub(r.second); {
	case passed < time.Second:
	case passed < 2*time.Second:
		r.before, r.now, r.second = r.now, 0, r.second.Add(time.Second)
	default:
		r.before, r.now, r.second = 0, 0, t
	}
}

func (r *rate) count(t time.Time) {
	r.roll(t)
	r.now++
}

func (r *rate) perSecond(t time.Time) float64 {
	r.roll(t)
	return float64(max(r.now, r.before))
}
