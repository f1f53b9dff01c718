package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// session is a port-forward session of client-go, whose streams the test owns.
type session struct {
	t    *testing.T
	conn httpstream.Connection
	next atomic.Int64
}

// forward is one forwarded connection.
type forward struct {
	t     *testing.T
	data  httpstream.Stream
	error httpstream.Stream
}

// dial opens a session to a pod over one protocol, "websocket" or "spdy".
func dial(t *testing.T, config *rest.Config, protocol, namespace, pod string) (*session, error) {
	t.Helper()
	location, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		t.Fatal(err)
	}
	location.Path = fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/portforward", namespace, pod)
	var dialer httpstream.Dialer
	if protocol == "websocket" {
		dialer, err = portforward.NewSPDYOverWebsocketDialerForStreaming(location, config)
	} else {
		transport, upgrader, roundTripperErr := spdy.RoundTripperFor(config)
		dialer, err = spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, location), roundTripperErr
	}
	if err != nil {
		t.Fatal(err)
	}
	conn, negotiated, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	if !strings.HasSuffix(negotiated, portforward.PortForwardProtocolV1Name) {
		t.Errorf("negotiated %q", negotiated)
	}
	return &session{t: t, conn: conn}, nil
}

func mustDial(t *testing.T, c *running, protocol, pod string) *session {
	t.Helper()
	s, err := dial(t, c.restConfig(t, c.Kubeconfig, "demo"), protocol, "default", pod)
	if err != nil {
		t.Fatalf("session to %s by %s: %v", pod, protocol, err)
	}
	return s
}

// open opens the two streams of a forwarded connection.
func (s *session) open(port int) *forward {
	s.t.Helper()
	f, err := s.tryOpen(port)
	if err != nil {
		s.t.Fatalf("data stream: %v", err)
	}
	return f
}

// tryOpen returns an error if the data stream was reset while it was opened; the error stream is returned nevertheless.
func (s *session) tryOpen(port int) (*forward, error) {
	s.t.Helper()
	headers := http.Header{}
	headers.Set(corev1.PortHeader, fmt.Sprint(port))
	headers.Set(corev1.PortForwardRequestIDHeader, fmt.Sprint(s.next.Add(1)))
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	errorStream, err := s.conn.CreateStream(headers)
	if err != nil {
		s.t.Fatalf("error stream: %v", err)
	}
	errorStream.Close() // nothing is ever written to it from here
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := s.conn.CreateStream(headers)
	return &forward{t: s.t, data: data, error: errorStream}, err
}

// refusal opens a connection that fails and returns the content of the error stream.
func (s *session) refusal(port int) string {
	s.t.Helper()
	f, err := s.tryOpen(port)
	if err == nil {
		f.data.Close()
	}
	var text string
	err = within(20*time.Second, func() error {
		said, err := io.ReadAll(f.error)
		text = string(said)
		return err
	})
	if err != nil {
		s.t.Fatalf("error stream: %v", err)
	}
	return text
}

func (f *forward) send(text string) {
	f.t.Helper()
	if _, err := io.WriteString(f.data, text); err != nil {
		f.t.Fatalf("send: %v", err)
	}
}

// receive reads exactly that many bytes.
func (f *forward) receive(count int) string {
	f.t.Helper()
	received := make([]byte, count)
	err := within(20*time.Second, func() error {
		_, err := io.ReadFull(f.data, received)
		return err
	})
	if err != nil {
		f.t.Fatalf("receive: %v", err)
	}
	return string(received)
}

// rest reads to the end, and returns the content of the error stream as well.
func (f *forward) rest() (received, failure string) {
	f.t.Helper()
	var data, text []byte
	err := within(20*time.Second, func() error {
		// A stream that is reset ends with an error; the error stream has the reason.
		data, _ = io.ReadAll(f.data)
		text, _ = io.ReadAll(f.error)
		return nil
	})
	if err != nil {
		f.t.Fatalf("read to the end: %v", err)
	}
	return string(data), string(text)
}

var errTooLong = errors.New("it takes too long")

// within stops waiting for what cannot be cancelled; the session is closed at the end of the test.
func within(limit time.Duration, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errTooLong
	}
}
