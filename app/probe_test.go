package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// probeVariable makes this test's own program look up a name and connect to it, inside of a context's network.
const probeVariable = "FAIRLEAD_TEST_PROBE"

// probe prints what Go's resolver says of a name.
func probe(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var r net.Resolver
	addresses, err := r.LookupNetIP(ctx, "ip", name)
	if err != nil {
		fmt.Println("addresses:", err)
		return
	}
	for _, a := range addresses {
		names, err := r.LookupAddr(ctx, a.Unmap().String())
		fmt.Println(strings.TrimRight(a.Unmap().String(), "0123456789"), names, err)
	}
	for _, port := range []string{"http", "db", "none"} {
		_, services, err := r.LookupSRV(ctx, port, "tcp", name)
		for _, s := range services {
			fmt.Println(port, s.Target, s.Port)
		}
		if dns, ok := err.(*net.DNSError); err != nil && (!ok || !dns.IsNotFound) {
			fmt.Println(port, err)
		}
	}
}
