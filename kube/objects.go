package kube

import (
	"fairlead/kube/api"
	"fairlead/kube/jsonstream"
)

// The few fields of the API server's objects that are of use here. Each function reads one object and keeps no more of it.

// protocolTCP is the protocol of a port that names none, and the only one that can be carried.
const protocolTCP = "TCP"

func readService(r *jsonstream.Reader, s *service, key string) {
	before := r.Kept()
	switch key {
	case "metadata":
		m := api.ReadMetadata(r)
		s.namespace, s.name = m.Namespace, m.Name
	case "spec":
		readServiceSpec(r, s)
	case "status":
		r.Object(func(key string) {
			if key != "loadBalancer" {
				return
			}
			r.Object(func(key string) {
				if key == "ingress" {
					readAddresses(r, "ip", s.add)
				}
			})
		})
	}
	s.cost += r.Kept() - before
}

func readServiceSpec(r *jsonstream.Reader, s *service) {
	isAlias, host := false, ""
	r.Object(func(key string) {
		switch key {
		case "type":
			isAlias = r.Text(api.MaxName) == "ExternalName"
		case "externalName":
			host = r.Text(api.MaxName)
		case "clusterIP":
			s.clusterIP = r.Text(api.MaxName)
			s.headless = s.clusterIP == "None"
			s.add(s.clusterIP)
		case "clusterIPs":
			r.Array(func() { s.add(r.Text(api.MaxName)) })
		case "externalIPs":
			r.Array(func() { addAddress(&s.external, r.Text(api.MaxName)) })
		case "selector":
			r.Object(func(string) { s.selects = true })
		case "ports":
			s.ports = readPorts(r, "port")
		}
	})
	if isAlias {
		s.externalName = host
	}
}

// readPorts reads the ports of a Service or of an EndpointSlice, which have their numbers in different fields.
func readPorts(r *jsonstream.Reader, number string) []servicePort {
	return jsonstream.List(r, func() servicePort {
		p := servicePort{protocol: protocolTCP}
		r.Object(func(key string) {
			switch key {
			case "name":
				p.name = r.Text(api.MaxName)
			case "protocol":
				if protocol := r.Text(api.MaxName); protocol != "" {
					p.protocol = protocol
				}
			case number:
				p.number = r.Int()
			}
		})
		return p
	})
}

// readAddresses reads objects that have an address each.
func readAddresses(r *jsonstream.Reader, field string, add func(text string)) {
	r.Array(func() {
		r.Object(func(key string) {
			if key == field {
				add(r.Text(api.MaxName))
			}
		})
	})
}

// readSlices returns what reads the EndpointSlices of a Service in a namespace.
func readSlices(namespace string) func(*jsonstream.Reader) endpointSet {
	read := api.ListOf("EndpointSlice", readSlice(namespace))
	return func(r *jsonstream.Reader) endpointSet {
		l := read(r)
		return endpointSet{slices: l.Items, version: l.Version}
	}
}

// readSlice returns what reads the fields of an EndpointSlice in a namespace, whatever namespace it names itself.
func readSlice(namespace string) func(*jsonstream.Reader, *endpointSlice, string) {
	return func(r *jsonstream.Reader, s *endpointSlice, key string) {
		before := r.Kept()
		switch key {
		case "metadata":
			m := api.ReadMetadata(r)
			s.name, s.version = m.Name, m.Version
		case "ports":
			s.ports = readPorts(r, "port")
		case "endpoints":
			s.members = jsonstream.List(r, func() member { return readMember(r, namespace) })
		}
		s.cost += r.Kept() - before
	}
}

func readMember(r *jsonstream.Reader, namespace string) member {
	m := member{namespace: namespace, ready: true}
	r.Object(func(key string) {
		switch key {
		case "addresses":
			r.Array(func() {
				if m.address == "" {
					m.address = r.Text(api.MaxName)
				}
			})
		case "hostname":
			m.hostname = r.Text(api.MaxName)
		case "nodeName":
			m.node = r.Text(api.MaxName)
		case "targetRef":
			m.refer(readReference(r))
		case "conditions":
			readConditions(r, &m)
		}
	})
	return m
}

// readConditions reads what an endpoint is good for. An unset ready is true by the API's definition, and an unset serving is
// what ready is. A Service that publishes endpoints that are not ready has ready true for those that end, too.
func readConditions(r *jsonstream.Reader, m *member) {
	ready, serving, saysServing := true, false, false
	r.Object(func(key string) {
		switch key {
		case "ready":
			ready = r.Bool(true)
		case "serving":
			serving, saysServing = r.Bool(false), true
		case "terminating":
			m.ending = r.Bool(false)
		}
	})
	if !saysServing {
		serving = ready
	}
	m.ready, m.terminating = ready && !m.ending, m.ending && serving
}

// A reference names an object.
type reference struct{ kind, namespace, name, uid string }

func readReference(r *jsonstream.Reader) (ref reference) {
	r.Object(func(key string) {
		switch key {
		case "kind":
			ref.kind = r.Text(api.MaxName)
		case "namespace":
			ref.namespace = r.Text(api.MaxName)
		case "name":
			ref.name = r.Text(api.MaxName)
		case "uid":
			ref.uid = r.Text(api.MaxName)
		}
	})
	return ref
}

func readPod(r *jsonstream.Reader, f *podFacts, key string) {
	switch key {
	case "metadata":
		m := api.ReadMetadata(r)
		f.key, f.uid, f.ending = podKey{m.Namespace, m.Name}, m.UID, m.Deleted
	case "spec":
		r.Object(func(key string) {
			switch key {
			case "nodeName":
				f.node = r.Text(api.MaxName)
			case "hostNetwork":
				f.hostNetwork = r.Bool(false)
			}
		})
	case "status":
		r.Object(func(key string) { readPodStatus(r, f, key) })
	}
}

func readPodStatus(r *jsonstream.Reader, f *podFacts, key string) {
	switch key {
	case "phase":
		f.phase = r.Text(api.MaxName)
	case "podIP":
		addAddress(&f.addresses, r.Text(api.MaxName))
	case "podIPs":
		readAddresses(r, "ip", func(text string) { addAddress(&f.addresses, text) })
	case "hostIP":
		addAddress(&f.nodes, r.Text(api.MaxName))
	case "hostIPs":
		readAddresses(r, "ip", func(text string) { addAddress(&f.nodes, text) })
	case "conditions":
		r.Array(func() {
			kind, status := "", ""
			r.Object(func(key string) {
				switch key {
				case "type":
					kind = r.Text(api.MaxName)
				case "status":
					status = r.Text(api.MaxName)
				}
			})
			if kind == "Ready" {
				f.ready = status == "True"
			}
		})
	}
}

// readNode reads the ranges of a node's Pods, as CIDRs.
func readNode(r *jsonstream.Reader, cidrs *[]string, key string) {
	readCIDRs(r, cidrs, key, "podCIDR", "podCIDRs")
}

// readServiceCIDR reads the ranges of a cluster's Services, as CIDRs.
func readServiceCIDR(r *jsonstream.Reader, cidrs *[]string, key string) {
	readCIDRs(r, cidrs, key, "", "cidrs")
}

func readCIDRs(r *jsonstream.Reader, cidrs *[]string, key, single, several string) {
	if key != "spec" {
		return
	}
	r.Object(func(key string) {
		switch key {
		case single:
			*cidrs = append(*cidrs, r.Text(api.MaxName))
		case several:
			*cidrs = append(*cidrs, jsonstream.List(r, func() string { return r.Text(api.MaxName) })...)
		}
	})
}
