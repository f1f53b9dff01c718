package kube

import "math/rand/v2"

// maxEndpoints is how many of a Service's endpoints one dial may try.
const maxEndpoints = 8

// found collects members by what they are good for. A Pod with addresses of two families is in two slices and counts once.
type found struct {
	ready, terminating []endpoint
	notReady           map[string]bool
	elsewhere          []string // addresses of ready endpoints that are no Pods
	seen               map[endpoint]bool
}

func (f *found) add(members []member, port int) {
	for _, m := range members {
		e := endpoint{Namespace: m.namespace, Pod: m.pod, UID: m.uid, Port: port}
		switch {
		case !m.ready && !m.terminating:
			if f.notReady == nil {
				f.notReady = map[string]bool{}
			}
			f.notReady[m.pod+"|"+m.uid+orAddress(m)] = true
		case m.pod == "":
			f.elsewhere = append(f.elsewhere, m.address)
		case f.seen[e]:
		default:
			if f.seen == nil {
				f.seen = map[endpoint]bool{}
			}
			f.seen[e] = true
			if m.ready {
				f.ready = append(f.ready, e)
			} else {
				f.terminating = append(f.terminating, e)
			}
		}
	}
}

func orAddress(m member) string {
	if m.pod != "" {
		return ""
	}
	return m.address
}

// order gives the endpoints in the order to try them.
func (f *found) order() []endpoint {
	for _, list := range [][]endpoint{f.ready, f.terminating} {
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	list := append(f.ready, f.terminating...)
	return list[:min(len(list), maxEndpoints)]
}
