// Package soak makes connections of every kind through one Fairlead into a real cluster for a long time, while Pods are
// deleted and sessions are cut, and checks that no connection fails in a way that the rules forbid, and that no
// resource grows that should not.
//
//	programs.go    the server behind the Pods: it counts the requests by their ids, and knows the content of each
//	work.go        what a client does on one connection, and what it expects
//	deployment.go  the Deployments and Services, and their properties
//	fault.go       the faults that are injected into them, and when
//	rules.go       the allowed ends of a connection
//	growth.go      the resources of the process: goroutines, memory, descriptors, sessions
//	soak.go        the run
//
// The rules: nothing is sent twice. A connection to a Deployment whose Pods finish open connections never fails. Others
// may fail only while a Pod of their Service is deleted or a session of it is cut. A Service with a ready endpoint
// refuses no connection. A transfer that was cut ends in a reset and not in order, unless the Pod itself ended it.
// Linux only.
package soak
