package objects

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"

	"fairlead/kube/carrier"
)

// MaxEndpoints bounds how many endpoints of a Service one dial tries.
const MaxEndpoints = 8

// found collects members by their state. A Pod with addresses of two families is in two slices, and counts once.
type found struct {
	ready, terminating []carrier.Endpoint
	notReady           map[string]bool
	outside            []string // ready endpoints that are not Pods, as "host:port"
	service            string   // the Service's name and port that lead to them; empty if the Pod was named
	clusterIP          netip.AddrPort
	seen               map[carrier.Endpoint]bool
}

func (f *found) add(members []Member, port int) {
	for _, m := range members {
		e := carrier.Endpoint{Namespace: m.Namespace, Pod: m.Pod, UID: m.UID, Port: port, Service: f.service, ClusterIP: f.clusterIP, Node: m.node}
		if address, err := netip.ParseAddr(m.Address); err == nil {
			e.Address = address.Unmap()
		}
		switch {
		case !m.Ready && !m.Terminating:
			if f.notReady == nil {
				f.notReady = map[string]bool{}
			}
			f.notReady[m.Pod+"|"+m.UID+orAddress(m)] = true
		case m.Pod == "" && !IsHost(m.Address): // a slice made by hand may have any text
		case m.Pod == "":
			f.outside = append(f.outside, net.JoinHostPort(m.Address, strconv.Itoa(port)))
		case f.seen[e.Identity()]:
		default:
			if f.seen == nil {
				f.seen = map[carrier.Endpoint]bool{}
			}
			f.seen[e.Identity()] = true
			if m.Ready {
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

func orAddress(m Member) string {
	if m.Pod != "" {
		return ""
	}
	return m.Address
}

// order returns the endpoints in the order to try them.
func (f *found) order() []carrier.Endpoint {
	list := append(shuffled(f.ready), shuffled(f.terminating)...)
	return list[:min(len(list), MaxEndpoints)]
}

func shuffled[T any](list []T) []T {
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}
