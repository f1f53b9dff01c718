package objects

import (
	"fmt"
	"strconv"
	"strings"

	"fairlead/kube/fault"
)

// PortNamed returns the number of the Service's TCP port with that name or, for one of its Pods, that of the Pod's port
// to which it leads.
func (s *Service) PortNamed(name string, ofPod bool) (int, error) {
	var has []string
	for _, p := range s.Ports {
		if p.Protocol == ProtocolTCP {
			has = append(has, p.text())
		}
		if p.Protocol == ProtocolTCP && p.Name == name && !ofPod {
			return p.Number, nil
		}
	}
	for _, slice := range s.Slices {
		for _, p := range slice.ports {
			if p.Protocol == ProtocolTCP && p.Name == name && p.Number != 0 && (ofPod || s.Headless) {
				return p.Number, nil
			}
		}
	}
	return 0, &fault.NotFound{Kind: fault.Port, Name: name, Namespace: s.Namespace, Service: s.Name, Has: has}
}

// PortNamed returns the number of the TCP port of the Pod's containers with that name.
func (f Pod) PortNamed(name string) (int, error) {
	for _, p := range f.ports {
		if p.Protocol == ProtocolTCP && p.Name == name {
			return p.Number, nil
		}
	}
	return 0, &fault.Unsupported{What: fmt.Sprintf("Pod %s/%s has no TCP port that is called %s", f.Key.Namespace, f.Key.Name, name)}
}

// IsPort reports whether text is the number or the name of a port (RFC 6335, section 5.1).
func IsPort(text string) bool {
	if n, err := strconv.ParseUint(text, 10, 16); err == nil {
		return n > 0
	}
	name := LowerASCII(text)
	return len(name) <= 15 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" &&
		strings.ContainsAny(name, "abcdefghijklmnopqrstuvwxyz") && !strings.Contains("-"+name+"-", "--")
}
