package proxy

import (
	"fairlead/proxy/hostport"
	"fairlead/proxy/http1"
)

// A Target is what a client asked to be connected with.
type Target = hostport.Target

// targetOf returns the target of a plain-HTTP request.
func targetOf(asked http1.Absolute) (Target, error) {
	if !asked.HasPort() {
		return hostport.New(asked.Authority, 80)
	}
	return hostport.Parse(asked.Authority)
}
