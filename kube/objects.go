package kube

import (
	"fairlead/kube/jsonstream"
)

// The few fields of the API server's objects that are of use here. Each function reads one object and keeps no more of it.

// maxName bounds what is kept of a name or another short text. It is one byte more than the longest name has, so that what
// was cut is no name.
const maxName = maxHost + 1

// maxContinue bounds what is kept of the text that asks for the next part of a list.
const maxContinue = 4 << 10

// protocolTCP is the protocol of a port that names none, and the only one that can be carried.
const protocolTCP = "TCP"

// metadata is what all objects and lists have.
type metadata struct {
	namespace, name, uid string
	version              string
	next                 string // of a list: asks for its next part
	deleted              bool   // it was told to end
}

func readMetadata(r *jsonstream.Reader) (m metadata) {
	r.Object(func(key string) {
		switch key {
		case "namespace":
			m.namespace = r.Text(maxName)
		case "name":
			m.name = r.Text(maxName)
		case "uid":
			m.uid = r.Text(maxName)
		case "resourceVersion":
			m.version = r.Text(maxName)
		case "continue":
			m.next = r.Text(maxContinue)
		case "deletionTimestamp":
			m.deleted = r.Text(maxName) != ""
		}
	})
	return m
}

// readKind reads an object that has to be of a kind.
func readKind(r *jsonstream.Reader, kind string, field func(key string)) {
	got := ""
	r.Object(func(key string) {
		if key == "kind" {
			got = r.Text(maxName)
			return
		}
		field(key)
	})
	if got != kind {
		r.Reject()
	}
}

// objectOf returns what reads an answer that is one object of a kind.
func objectOf[T any](kind string, read func(r *jsonstream.Reader, into *T, key string)) func(*jsonstream.Reader) T {
	return func(r *jsonstream.Reader) (value T) {
		readKind(r, kind, func(key string) { read(r, &value, key) })
		return value
	}
}

// An objectList is an answer that is a list, or a part of one.
type objectList[T any] struct {
	metadata
	items []T
	cost  int // bytes of memory
}

// listOf returns what reads an answer that is a list of a kind's objects. Its items do not say their kind.
func listOf[T any](kind string, read func(r *jsonstream.Reader, into *T, key string)) func(*jsonstream.Reader) objectList[T] {
	return func(r *jsonstream.Reader) (l objectList[T]) {
		readKind(r, kind+"List", func(key string) {
			switch key {
			case "metadata":
				l.metadata = readMetadata(r)
			case "items":
				l.items = jsonstream.List(r, func() (item T) {
					r.Object(func(key string) { read(r, &item, key) })
					return item
				})
			}
		})
		l.cost = r.Kept()
		return l
	}
}

// readName reads an object of which only the name matters.
func readName(r *jsonstream.Reader, m *metadata, key string) {
	if key == "metadata" {
		*m = readMetadata(r)
	}
}

func readService(r *jsonstream.Reader, s *service, key string) {
	before := r.Kept()
	switch key {
	case "metadata":
		m := readMetadata(r)
		s.namespace, s.name = m.namespace, m.name
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
			isAlias = r.Text(maxName) == "ExternalName"
		case "externalName":
			host = r.Text(maxName)
		case "clusterIP":
			s.clusterIP = r.Text(maxName)
			s.headless = s.clusterIP == "None"
			s.add(s.clusterIP)
		case "clusterIPs":
			r.Array(func() { s.add(r.Text(maxName)) })
		case "externalIPs":
			r.Array(func() { addAddress(&s.external, r.Text(maxName)) })
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
				p.name = r.Text(maxName)
			case "protocol":
				if protocol := r.Text(maxName); protocol != "" {
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
				add(r.Text(maxName))
			}
		})
	})
}

// readSlices returns what reads the EndpointSlices of a Service in a namespace.
func readSlices(namespace string) func(*jsonstream.Reader) endpointSet {
	read := listOf("EndpointSlice", readSlice(namespace))
	return func(r *jsonstream.Reader) endpointSet {
		l := read(r)
		return endpointSet{slices: l.items, version: l.version}
	}
}

// readSlice returns what reads the fields of an EndpointSlice in a namespace, whatever namespace it names itself.
func readSlice(namespace string) func(*jsonstream.Reader, *endpointSlice, string) {
	return func(r *jsonstream.Reader, s *endpointSlice, key string) {
		before := r.Kept()
		switch key {
		case "metadata":
			m := readMetadata(r)
			s.name, s.version = m.name, m.version
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
					m.address = r.Text(maxName)
				}
			})
		case "hostname":
			m.hostname = r.Text(maxName)
		case "nodeName":
			m.node = r.Text(maxName)
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
			ref.kind = r.Text(maxName)
		case "namespace":
			ref.namespace = r.Text(maxName)
		case "name":
			ref.name = r.Text(maxName)
		case "uid":
			ref.uid = r.Text(maxName)
		}
	})
	return ref
}

func readPod(r *jsonstream.Reader, f *podFacts, key string) {
	switch key {
	case "metadata":
		m := readMetadata(r)
		f.key, f.uid, f.ending = podKey{m.namespace, m.name}, m.uid, m.deleted
	case "spec":
		r.Object(func(key string) {
			switch key {
			case "nodeName":
				f.node = r.Text(maxName)
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
		f.phase = r.Text(maxName)
	case "podIP":
		addAddress(&f.addresses, r.Text(maxName))
	case "podIPs":
		readAddresses(r, "ip", func(text string) { addAddress(&f.addresses, text) })
	case "hostIP":
		addAddress(&f.nodes, r.Text(maxName))
	case "hostIPs":
		readAddresses(r, "ip", func(text string) { addAddress(&f.nodes, text) })
	case "conditions":
		r.Array(func() {
			kind, status := "", ""
			r.Object(func(key string) {
				switch key {
				case "type":
					kind = r.Text(maxName)
				case "status":
					status = r.Text(maxName)
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
			*cidrs = append(*cidrs, r.Text(maxName))
		case several:
			*cidrs = append(*cidrs, jsonstream.List(r, func() string { return r.Text(maxName) })...)
		}
	})
}

// readReview reads whether the user has the right that was asked about.
func readReview(r *jsonstream.Reader, allowed *bool, key string) {
	if key != "status" {
		return
	}
	r.Object(func(key string) {
		if key == "allowed" {
			*allowed = r.Bool(false)
		}
	})
}

// readVersion reads the API server's version, which is an object without a kind.
func readVersion(r *jsonstream.Reader) (version string) {
	r.Object(func(key string) {
		if key == "gitVersion" {
			version = r.Text(maxName)
		}
	})
	return version
}

// readStatus reads what the API server says in place of what was asked for.
func readStatus(r *jsonstream.Reader, s *statusError, key string) {
	switch key {
	case "code":
		s.code = r.Int()
	case "reason":
		s.reason = r.Text(maxText)
	case "message":
		s.message = r.Text(maxText)
	}
}
