package kube

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"fairlead/kube/carrier"
	"fairlead/kube/fault"
)

// A service is what the API server said of one Service: enough to answer for each of its ports.
type service struct {
	namespace, name string
	externalName    string
	headless        bool
	selects         bool // its endpoints follow from a selector
	ports           []servicePort
	slices          []endpointSlice
	clusterIP       string
	addresses       []netip.Addr // its ClusterIPs and those of its load balancer
	external        []netip.Addr // its externalIPs, which whoever may write Services chooses freely
	cost            int          // bytes of memory that all but its slices take
	described       time.Time    // when all but its slices was asked for
}

type servicePort struct {
	number   int
	name     string
	protocol string
}

// An endpointSlice is a group of members that share their ports.
type endpointSlice struct {
	name    string
	version string
	cost    int           // bytes of memory
	ports   []servicePort // number 0: any
	members []member
}

// A member is one endpoint of a Service.
type member struct {
	namespace, pod, uid string // pod is empty for an endpoint that is no Pod
	hostname, node      string
	address             string
	ready               bool // for new connections
	ending              bool // it was told to end
	terminating         bool // it is ending, and still serves
}

// add takes an address that the Service is reached by. Its first ClusterIP can be asked for, the others cannot.
func (s *service) add(text string) { addAddress(&s.addresses, text) }

// addAddress adds an address to those that are remembered of one object, if it is one.
func addAddress(list *[]netip.Addr, text string) {
	addr, err := netip.ParseAddr(text)
	if err == nil && len(*list) < maxAddresses && !slices.Contains(*list, addr.Unmap()) {
		*list = append(*list, addr.Unmap())
	}
}

// maxAddresses bounds what is remembered of one object.
const maxAddresses = 32

// refer takes the object that an endpoint stands for. A slice speaks for its own namespace: whoever may write one there shall
// not lead us, with our user's rights, to the Pods of another.
func (m *member) refer(to reference) {
	if to.kind == "Pod" && isSubdomain(to.name) && (to.namespace == "" || to.namespace == m.namespace) {
		m.pod, m.uid = to.name, to.uid
	}
}

// endpoints returns the Pods that serve a port of the Service, in the order to try them: ready ones shuffled, then those
// that are about to end. Where there are none, it returns as "host:port" the ready endpoints that are no Pods.
//
// The name of a headless Service leads clients straight to its Pods, so that they take any port there: those that are known
// to have it if there are some, else all of them. A port that the Service lists leads as with any other Service to the
// Pods' port of that name.
func (s *service) endpoints(port int) (pods []carrier.Endpoint, outside []string, err error) {
	name, err := s.portName(port)
	if err != nil && !s.headless {
		return nil, nil, err
	}
	f := s.found(port)
	if err == nil {
		f = s.having(port, func(p servicePort) bool { return p.name == name })
	}
	if s.headless && f.empty() {
		f = s.having(port, func(p servicePort) bool { return p.number == port })
	}
	if s.headless && f.empty() {
		for _, slice := range s.slices {
			f.add(slice.members, port)
		}
	}
	if list := f.order(); len(list) > 0 {
		return list, nil, nil
	}
	if len(f.outside) > 0 {
		return nil, shuffled(f.outside), nil
	}
	return nil, nil, s.nothingReady(port, len(f.notReady))
}

// found is where the Pods of a port are collected.
func (s *service) found(port int) found { return found{service: s.name + ":" + strconv.Itoa(port)} }

// having returns the members whose EndpointSlices have such a TCP port, which is asked for as port.
func (s *service) having(port int, such func(servicePort) bool) found {
	f := s.found(port)
	for _, slice := range s.slices {
		for _, p := range slice.ports {
			if p.protocol != protocolTCP || !such(p) {
				continue
			}
			number := p.number
			if number == 0 {
				number = port
			}
			f.add(slice.members, number)
			break
		}
	}
	return f
}

// takes reports whether the name of the Service has a port.
func (s *service) takes(port int) bool {
	_, err := s.portName(port)
	return err == nil || s.headless
}

// portName returns the name that EndpointSlices have for a port of the Service.
func (s *service) portName(port int) (name string, err error) {
	var has []string
	var other string
	for _, p := range s.ports {
		switch {
		case p.protocol != protocolTCP:
			if p.number == port {
				other = p.protocol
			}
			continue
		case p.number == port:
			return p.name, nil
		}
		text := strconv.Itoa(p.number)
		if p.name != "" {
			text += " (" + p.name + ")"
		}
		has = append(has, text)
	}
	if other != "" {
		return "", &fault.Unsupported{
			What: fmt.Sprintf("port %d of Service %s/%s is %s only", port, s.namespace, s.name, other),
		}
	}
	return "", &fault.NotFound{
		Kind: fault.Port, Name: strconv.Itoa(port), Namespace: s.namespace, Service: s.name, Has: has,
	}
}

// nothingReady says why nothing can be dialled at a port that the Service has.
func (s *service) nothingReady(port, notReady int) error {
	none := &fault.NoEndpoints{Service: s.name, Namespace: s.namespace, NotReady: notReady}
	members := 0
	for _, slice := range s.slices {
		members += len(slice.members)
	}
	switch {
	case none.NotReady > 0:
	case members > 0:
		none.Detail = fmt.Sprintf("none of its Pods has the port that port %d leads to", port)
	case s.selects:
		none.Detail = "no Pod matches its selector"
	default:
		none.Detail = "it has neither a selector nor an EndpointSlice with endpoints"
	}
	return none
}

// member finds one Pod of the Service, and leads to any port of it.
func (s *service) member(pod string, port int) ([]carrier.Endpoint, error) {
	var f found
	for _, slice := range s.slices {
		for _, m := range slice.members {
			if m.pod != "" && m.isCalled(pod) {
				f.add([]member{m}, port)
			}
		}
	}
	if list := f.order(); len(list) > 0 {
		return list, nil
	}
	if len(f.notReady) > 0 {
		return nil, &fault.NoEndpoints{Pod: pod, Namespace: s.namespace, NotReady: 1}
	}
	return nil, &fault.NotFound{Kind: fault.Pod, Name: pod, Namespace: s.namespace}
}

// isCalled reports whether label stands for the member in the name of a Pod of its Service: its host name, as in the
// cluster's DNS, which has the address with dashes for a member without host name, or the Pod's own name.
func (m member) isCalled(label string) bool {
	if m.pod == label || m.hostname == label {
		return true
	}
	return m.hostname == "" && label == dashed(m.address)
}

// dashed returns an address as a label. One that begins or ends in "::" gets a zero there.
func dashed(address string) string {
	if strings.HasPrefix(address, ":") {
		address = "0" + address
	}
	if strings.HasSuffix(address, ":") {
		address += "0"
	}
	return strings.NewReplacer(".", "-", ":", "-").Replace(address)
}

// firstPort is the number of the first TCP port; 0 when there is none.
func (s *service) firstPort() int {
	for _, p := range s.ports {
		if p.protocol == protocolTCP {
			return p.number
		}
	}
	return 0
}

func (s *service) tcpPorts() (ports []string) {
	for _, p := range s.ports {
		if p.protocol == protocolTCP {
			ports = append(ports, strings.TrimSpace(fmt.Sprintf("%d %s", p.number, p.name)))
		}
	}
	return ports
}

func (s *service) count() (ready, other int) {
	for _, slice := range s.slices {
		for _, m := range slice.members {
			if m.ready {
				ready++
			} else {
				other++
			}
		}
	}
	return ready, other
}
