package kube

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"

	"fairlead/kube/carrier"
)

// maxEndpoints is how many of a Service's endpoints one dial may try.
const maxEndpoints = 8

// found collects members by what they are good for. A Pod with addresses of two families is in two slices and counts once.
type found struct {
	ready, terminating []carrier.Endpoint
	notReady           map[string]bool
	outside            []string // ready endpoints that are no Pods, as "host:port"
	service            string   // the Service's name and port that lead to them; empty where a Pod was named
	seen               map[carrier.Endpoint]bool
}

func (f *found) add(members []member, port int) {
	for _, m := range members {
		e := carrier.Endpoint{Namespace: m.namespace, Pod: m.pod, UID: m.uid, Port: port, Service: f.service, Node: m.node}
		if address, err := netip.ParseAddr(m.address); err == nil {
			e.Address = address.Unmap()
		}
		switch {
		case !m.ready && !m.terminating:
			if f.notReady == nil {
				f.notReady = map[string]bool{}
			}
			f.notReady[m.pod+"|"+m.uid+orAddress(m)] = true
		case m.pod == "" && !isHost(m.address): // what someone wrote by hand
		case m.pod == "":
			f.outside = append(f.outside, net.JoinHostPort(m.address, strconv.Itoa(port)))
		case f.seen[e.Identity()]:
		default:
			if f.seen == nil {
				f.seen = map[carrier.Endpoint]bool{}
			}
			f.seen[e.Identity()] = true
			if m.ready {
				f.ready = append(f.ready, e)
			} else {
				f.terminating = append(f.terminating, e)
			}
		}
	}
}

// empty reports whether no member was found, ready or not.
func (f *found) empty() bool {
	return len(f.ready)+len(f.terminating)+len(f.outside)+len(f.notReady) == 0
}

func orAddress(m member) string {
	if m.pod != "" {
		return ""
	}
	return m.address
}

// order gives the endpoints in the order to try them.
func (f *found) order() []carrier.Endpoint {
	list := append(shuffled(f.ready), shuffled(f.terminating)...)
	return list[:min(len(list), maxEndpoints)]
}

func shuffled[T any](list []T) []T {
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}
