package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"fairlead/build/bench/delayline"
	"fairlead/build/bench/far"
)

// The roles in which this program starts itself.
const (
	roleInside = "inside" // the benchmark in its namespace
	roleLine   = "line"   // the delay line
	roleFar    = "far"    // the far side
	roleTLS    = "tls"    // the near end of the TLS relay
	rolePod    = "pod"    // the far side's programs, in a container
)

func isRole(word string) bool {
	return word == roleInside || word == roleLine || word == roleFar || word == roleTLS || word == rolePod
}

func runRole(ctx context.Context, role string, args []string) error {
	if role == roleInside && len(args) == 1 {
		var p parameters
		if err := json.Unmarshal([]byte(args[0]), &p); err != nil {
			return err
		}
		return inside(ctx, p)
	}
	if role == rolePod && len(args) == 1 {
		return far.Serve(ctx, ":"+args[0])
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		// Standard input stays open as long as the benchmark runs.
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	switch {
	case role == roleLine && len(args) == 1:
		return runLine(ctx, args[0])
	case role == roleFar && len(args) == 1:
		return runFar(ctx, args[0])
	case role == roleTLS && len(args) == 2:
		return runTLS(ctx, args[0], args[1])
	}
	return &usageError{fmt.Sprintf("role %s with %d arguments", role, len(args))}
}

func runLine(ctx context.Context, mtu string) error {
	bytes, err := strconv.Atoi(mtu)
	if err != nil {
		return err
	}
	device, err := delayline.Open(bytes)
	if err != nil {
		return fmt.Errorf("delay line: %w", err)
	}
	fmt.Println("ready")
	return delayline.New(device).Run(ctx)
}

// announced is what the far side prints once it listens.
type announced struct {
	Ports       far.Ports
	Certificate []byte
}

func runFar(ctx context.Context, api string) error {
	certificate, err := far.NewCertificate()
	if err != nil {
		return err
	}
	side, err := far.Listen(api, certificate)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(announced{side.Ports, certificate.Certificate[0]}); err != nil {
		return err
	}
	return side.Run(ctx)
}

func runTLS(ctx context.Context, address, certificate string) error {
	der, err := base64.StdEncoding.DecodeString(certificate)
	if err != nil {
		return err
	}
	near, err := far.ListenNear(address, der)
	if err != nil {
		return err
	}
	fmt.Println(near.Port)
	return near.Run(ctx)
}
