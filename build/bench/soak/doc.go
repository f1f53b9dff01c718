// Package soak keeps connections of every kind going through one Fairlead into a real cluster for a long time, while Pods
// are deleted and sessions are cut under them, and judges two things: did any connection fail in a way that the rules
// forbid, and does anything grow that should not?
//
//	programs.go  what stands in the Pods: they count the requests by their ids, and know what belongs to each
//	work.go      what a client does on one connection, and what it must find
//	stage.go     the Deployments and Services, and what they are like
//	trouble.go   what is done to them meanwhile, and when
//	rules.go     which ends of a connection are allowed
//	growth.go    what the process holds: goroutines, memory, descriptors, sessions
//	soak.go      the run
//
// The rules: nothing is sent twice. A connection into a Deployment whose Pods finish what is open never fails. Elsewhere
// one may fail only while a Pod of its Service dies or a session of it is cut. A Service with a ready endpoint refuses
// nobody. A transfer that was cut ends in a reset and not in order, unless the Pod itself ended it. Linux only.
package soak
