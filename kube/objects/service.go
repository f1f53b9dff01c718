package objects

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

// A Service is a Service with its EndpointSlices, which is enough to find the endpoints of each port.
type Service struct {
	Namespace, Name string
	ExternalName    string
	Headless        bool
	selects         bool // its endpoints follow from a selector
	Ports           []Port
	Slices          []Slice
	ClusterIP       string
	ClusterIPs      []netip.Addr // of both families
	Addresses       []netip.Addr // its ClusterIPs and those of its load balancer
	External        []netip.Addr // its externalIPs, which its author chooses freely
	Cost            int          // bytes of memory, without its slices
	Described       time.Time    // when it was asked for, without its slices
}

// A Port is a port of a Service or an EndpointSlice.
type Port struct {
	Number   int
	Name     string
	Protocol string
}

// A Slice is an EndpointSlice: a group of members that share their ports.
type Slice struct {
	name    string
	version string
	cost    int    // bytes of memory
	ports   []Port // number 0: any
	Members []Member
}

// A Member is one endpoint of a Service.
type Member struct {
	Namespace, Pod, UID string // Pod is empty for an endpoint that is not a Pod
	hostname, node      string
	Address             string
	Ready               bool // for new connections
	ending              bool // its Pod is being deleted
	Terminating         bool // its Pod is being deleted, and still serves
}

// add adds an address of the Service. The API server can be asked only for the first ClusterIP, not for the others.
func (s *Service) add(text string) { addAddress(&s.Addresses, text) }

func (s *Service) addClusterIP(text string) {
	addAddress(&s.ClusterIPs, text)
	s.add(text)
}

// addAddress adds text to the addresses of one object, if it is an address.
func addAddress(list *[]netip.Addr, text string) {
	addr, err := netip.ParseAddr(text)
	if err == nil && len(*list) < maxAddresses && !slices.Contains(*list, addr.Unmap()) {
		*list = append(*list, addr.Unmap())
	}
}

// maxAddresses bounds how many addresses of one object are kept.
const maxAddresses = 32

// refer sets the Pod from an endpoint's targetRef. It ignores Pods of other namespaces than the slice's: the author of a
// slice may not be allowed to reach them, while this user may.
func (m *Member) refer(to reference) {
	if to.kind == "Pod" && IsSubdomain(to.name) && (to.namespace == "" || to.namespace == m.Namespace) {
		m.Pod, m.UID = to.name, to.uid
	}
}

// Endpoints returns the Pods that serve a port of the Service, in the order to try them: the ready ones shuffled, then those
// that are terminating. If there are none, it returns the ready endpoints that are not Pods, as "host:port".
//
// A headless Service has any port, since its name leads clients straight to its Pods. A port that it lists leads to the
// Pods' port of that name, as with other Services. Another port leads to the Pods that are known to have it, or to all Pods
// if none is known to.
func (s *Service) Endpoints(port int) (pods []carrier.Endpoint, outside []string, err error) {
	name, err := s.portName(port)
	if err != nil && !s.Headless {
		return nil, nil, err
	}
	f := s.found(port)
	if err == nil {
		f = s.having(port, func(p Port) bool { return p.Name == name })
	}
	if s.Headless && f.empty() {
		f = s.having(port, func(p Port) bool { return p.Number == port })
	}
	if s.Headless && f.empty() {
		for _, slice := range s.Slices {
			f.add(slice.Members, port)
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

// found returns an empty collection for the endpoints of a port.
func (s *Service) found(port int) found {
	f := found{service: s.Name + ":" + strconv.Itoa(port)}
	if address, err := netip.ParseAddr(s.ClusterIP); err == nil && !s.Headless {
		f.clusterIP = netip.AddrPortFrom(address.Unmap(), uint16(port))
	}
	return f
}

// having returns the members whose EndpointSlices have such a TCP port. port is used for slices whose port has no number.
func (s *Service) having(port int, such func(Port) bool) found {
	f := s.found(port)
	for _, slice := range s.Slices {
		for _, p := range slice.ports {
			if p.Protocol != ProtocolTCP || !such(p) {
				continue
			}
			number := p.Number
			if number == 0 {
				number = port
			}
			f.add(slice.Members, number)
			break
		}
	}
	return f
}

// Takes reports whether the Service has a port.
func (s *Service) Takes(port int) bool {
	_, err := s.portName(port)
	return err == nil || s.Headless
}

// portName returns the name that EndpointSlices have for a port of the Service.
func (s *Service) portName(port int) (name string, err error) {
	var has []string
	var other string
	for _, p := range s.Ports {
		switch {
		case p.Protocol != ProtocolTCP:
			if p.Number == port {
				other = p.Protocol
			}
			continue
		case p.Number == port:
			return p.Name, nil
		}
		has = append(has, p.text())
	}
	if other != "" {
		return "", &fault.Unsupported{
			What: fmt.Sprintf("port %d of Service %s/%s is %s only", port, s.Namespace, s.Name, other),
		}
	}
	return "", &fault.NotFound{
		Kind: fault.Port, Name: strconv.Itoa(port), Namespace: s.Namespace, Service: s.Name, Has: has,
	}
}

// text returns the port in the form of a *fault.NotFound.
func (p Port) text() string {
	if p.Name == "" {
		return strconv.Itoa(p.Number)
	}
	return fmt.Sprintf("%d (%s)", p.Number, p.Name)
}

// nothingReady returns why no endpoint of a port can be dialled.
func (s *Service) nothingReady(port, notReady int) error {
	none := &fault.NoEndpoints{Service: s.Name, Namespace: s.Namespace, NotReady: notReady}
	members := 0
	for _, slice := range s.Slices {
		members += len(slice.Members)
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

// Member returns the Pod of the Service that has a name, see isCalled, as an endpoint with the given port.
func (s *Service) Member(pod string, port int) ([]carrier.Endpoint, error) {
	var f found
	for _, slice := range s.Slices {
		for _, m := range slice.Members {
			if m.Pod != "" && m.isCalled(pod) {
				f.add([]Member{m}, port)
			}
		}
	}
	if list := f.order(); len(list) > 0 {
		return list, nil
	}
	if len(f.notReady) > 0 {
		return nil, &fault.NoEndpoints{Pod: pod, Namespace: s.Namespace, NotReady: 1}
	}
	return nil, &fault.NotFound{Kind: fault.Pod, Name: pod, Namespace: s.Namespace}
}

// isCalled reports whether label stands for the member in the form POD.SERVICE: as its Pod's name or as its name in the
// cluster's DNS, which is its host name or, if it has none, its address with dashes.
func (m Member) isCalled(label string) bool {
	if m.Pod == label || m.hostname == label {
		return true
	}
	return m.hostname == "" && label == dashed(m.Address)
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

// FirstPort returns the number of the first TCP port; 0 if there is none.
func (s *Service) FirstPort() int {
	for _, p := range s.Ports {
		if p.Protocol == ProtocolTCP {
			return p.Number
		}
	}
	return 0
}

// TCPPorts returns the numbers and names of the TCP ports.
func (s *Service) TCPPorts() (ports []string) {
	for _, p := range s.Ports {
		if p.Protocol == ProtocolTCP {
			ports = append(ports, strings.TrimSpace(fmt.Sprintf("%d %s", p.Number, p.Name)))
		}
	}
	return ports
}

// Count returns how many endpoints are ready, and how many are not.
func (s *Service) Count() (ready, other int) {
	for _, slice := range s.Slices {
		for _, m := range slice.Members {
			if m.Ready {
				ready++
			} else {
				other++
			}
		}
	}
	return ready, other
}
