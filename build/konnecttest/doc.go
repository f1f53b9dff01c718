// Package konnecttest tests connections through a Konnectivity server: the real server and the real agent, of one version,
// on the API of the small cluster. The agent is in a network of its own, which has the addresses of the Pods and the
// Services, and nothing else leads there. The tests need Linux and root. BenchmarkThroughput compares
// Fairlead with a client that does nothing but CONNECT.
package konnecttest
