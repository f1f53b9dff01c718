// Command grpcpeer is a gRPC server and client with grpc-go, in its own module, so that gRPC is not a dependency of
// Fairlead. "grpcpeer serve ADDRESS" serves the health service; "grpcpeer call TARGET" makes one unary call and follows
// one stream, with its proxy from HTTPS_PROXY only.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

func main() {
	err := fmt.Errorf("usage: grpcpeer serve ADDRESS | call TARGET")
	if len(os.Args) == 3 {
		switch os.Args[1] {
		case "serve":
			err = serve(os.Args[2])
		case "call":
			err = call(os.Args[2])
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "grpcpeer:", err)
		os.Exit(1)
	}
}

// serve alternates the status of its service between serving and not serving, so that a stream has changes.
func serve(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	checks := health.NewServer()
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, checks)
	go func() {
		for status := healthpb.HealthCheckResponse_SERVING; ; status ^= 3 {
			checks.SetServingStatus("turns", status)
			time.Sleep(100 * time.Millisecond)
		}
	}()
	return server.Serve(listener)
}

// call makes a unary call, and then reads changes from a stream.
func call(target string) error {
	const changes = 5
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	client := healthpb.NewHealthClient(conn)
	answer, err := client.Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		return fmt.Errorf("unary call: %w", err)
	}
	fmt.Println("unary:", answer.Status)
	stream, err := client.Watch(ctx, &healthpb.HealthCheckRequest{Service: "turns"})
	if err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	for range changes {
		answer, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("stream: %w", err)
		}
		fmt.Println("stream:", answer.Status)
	}
	return nil
}
