// Package objects reads the few fields of the API server's objects that resolving names needs: of Services, EndpointSlices,
// Pods, namespaces, nodes and ranges. It asks for the objects, watches EndpointSlices, and finds the endpoints of a
// Service's port. It keeps nothing: package kube decides what a name means, and caches the answers.
package objects

import (
	"fairlead/kube/api"
	"fairlead/kube/jsonstream"
)

// ProtocolTCP is the default protocol of a port, and the only one that can be forwarded.
const ProtocolTCP = "TCP"

// readService reads a field of a Service.
func readService(r *jsonstream.Reader, s *Service, key string) {
	before := r.Kept()
	switch key {
	case "metadata":
		m := api.ReadMetadata(r)
		s.Namespace, s.Name = m.Namespace, m.Name
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
	s.Cost += r.Kept() - before
}

func readServiceSpec(r *jsonstream.Reader, s *Service) {
	isAlias, host := false, ""
	r.Object(func(key string) {
		switch key {
		case "type":
			isAlias = r.Text(api.MaxName) == "ExternalName"
		case "externalName":
			host = r.Text(api.MaxName)
		case "clusterIP":
			s.ClusterIP = r.Text(api.MaxName)
			s.Headless = s.ClusterIP == "None"
			s.addClusterIP(s.ClusterIP)
		case "clusterIPs":
			r.Array(func() { s.addClusterIP(r.Text(api.MaxName)) })
		case "externalIPs":
			r.Array(func() { addAddress(&s.External, r.Text(api.MaxName)) })
		case "selector":
			r.Object(func(string) { s.selects = true })
		case "ports":
			s.Ports = readPorts(r, "port")
		}
	})
	if isAlias {
		s.ExternalName = host
	}
}

// readPorts reads the ports of a Service or an EndpointSlice. number is the field that has a port's number.
func readPorts(r *jsonstream.Reader, number string) []Port {
	return jsonstream.List(r, func() Port {
		p := Port{Protocol: ProtocolTCP}
		r.Object(func(key string) {
			switch key {
			case "name":
				p.Name = r.Text(api.MaxName)
			case "protocol":
				if protocol := r.Text(api.MaxName); protocol != "" {
					p.Protocol = protocol
				}
			case number:
				p.Number = r.Int()
			}
		})
		return p
	})
}

// readAddresses reads an array of objects, each with an address in a field.
func readAddresses(r *jsonstream.Reader, field string, add func(text string)) {
	r.Array(func() {
		r.Object(func(key string) {
			if key == field {
				add(r.Text(api.MaxName))
			}
		})
	})
}

// ReadSlices returns a function that reads the EndpointSlices of a Service in a namespace.
func ReadSlices(namespace string) func(*jsonstream.Reader) Endpoints {
	read := api.ListOf("EndpointSlice", readSlice(namespace))
	return func(r *jsonstream.Reader) Endpoints {
		l := read(r)
		return Endpoints{Slices: l.Items, Version: l.Version}
	}
}

// readSlice returns a function that reads a field of an EndpointSlice. The slice is taken to be in the given namespace,
// whatever its own metadata says.
func readSlice(namespace string) func(*jsonstream.Reader, *Slice, string) {
	return func(r *jsonstream.Reader, s *Slice, key string) {
		before := r.Kept()
		switch key {
		case "metadata":
			m := api.ReadMetadata(r)
			s.name, s.version = m.Name, m.Version
		case "ports":
			s.ports = readPorts(r, "port")
		case "endpoints":
			s.Members = jsonstream.List(r, func() Member { return readMember(r, namespace) })
		}
		s.cost += r.Kept() - before
	}
}

func readMember(r *jsonstream.Reader, namespace string) Member {
	m := Member{Namespace: namespace, Ready: true}
	r.Object(func(key string) {
		switch key {
		case "addresses":
			r.Array(func() {
				if m.Address == "" {
					m.Address = r.Text(api.MaxName)
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

// readConditions reads the state of an endpoint. The API defines that ready is true if it is not set, and that serving is
// the same as ready if it is not set. A Service that publishes endpoints that are not ready sets ready even for those that
// are terminating.
func readConditions(r *jsonstream.Reader, m *Member) {
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
	m.Ready, m.Terminating = ready && !m.ending, m.ending && serving
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

// ReadPod reads a field of a Pod.
func ReadPod(r *jsonstream.Reader, f *Pod, key string) {
	switch key {
	case "metadata":
		m := api.ReadMetadata(r)
		f.Key, f.UID, f.Ending = PodKey{m.Namespace, m.Name}, m.UID, m.Deleted
	case "spec":
		r.Object(func(key string) {
			switch key {
			case "nodeName":
				f.Node = r.Text(api.MaxName)
			case "hostNetwork":
				f.HostNetwork = r.Bool(false)
			case "hostname":
				f.Hostname = r.Text(api.MaxName)
			case "subdomain":
				f.Subdomain = r.Text(api.MaxName)
			case "containers":
				readContainers(r, f)
			}
		})
	case "status":
		r.Object(func(key string) { readPodStatus(r, f, key) })
	}
}

// readContainers reads the named ports of a Pod's containers.
func readContainers(r *jsonstream.Reader, f *Pod) {
	r.Array(func() {
		r.Object(func(key string) {
			if key != "ports" {
				return
			}
			for _, p := range readPorts(r, "containerPort") {
				if p.Name != "" && len(f.ports) < maxPodPorts {
					f.ports = append(f.ports, p)
				}
			}
		})
	})
}

func readPodStatus(r *jsonstream.Reader, f *Pod, key string) {
	switch key {
	case "phase":
		f.Phase = r.Text(api.MaxName)
	case "podIP":
		addAddress(&f.Addresses, r.Text(api.MaxName))
	case "podIPs":
		readAddresses(r, "ip", func(text string) { addAddress(&f.Addresses, text) })
	case "hostIP":
		addAddress(&f.Nodes, r.Text(api.MaxName))
	case "hostIPs":
		readAddresses(r, "ip", func(text string) { addAddress(&f.Nodes, text) })
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
				f.Ready = status == "True"
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
