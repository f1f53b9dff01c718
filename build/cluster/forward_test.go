package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestKubectlPortForwardReachesThePodThatAnswerNames(t *testing.T) {
	for _, webSockets := range []string{"true", "false"} {
		t.Run("KUBECTL_PORT_FORWARD_WEBSOCKETS="+webSockets, func(t *testing.T) {
			command := shared.kubectl(t, "port-forward", "service/hello", ":80")
			command.Env = append(command.Env, "KUBECTL_PORT_FORWARD_WEBSOCKETS="+webSockets)
			before := shared.stats(t).Sessions
			address := forwarded(t, command)
			request, err := http.NewRequest(http.MethodPost, "http://"+address+"/some/path?q=1", strings.NewReader("sent"))
			if err != nil {
				t.Fatal(err)
			}
			response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			pod := response.Header.Get("X-Pod")
			if !strings.HasPrefix(pod, "default/hello-") {
				t.Errorf("X-Pod: %q", pod)
			}
			for _, line := range []string{
				"pod: " + pod, "method: POST", "path: /some/path?q=1", "body-bytes: 4", fmt.Sprintf("body-sha256: %x", sha256.Sum256([]byte("sent"))),
			} {
				if !strings.Contains(string(body), "\n"+line+"\n") {
					t.Errorf("no line %q in\n%s", line, body)
				}
			}
			after := shared.stats(t).Sessions
			protocol := map[string]string{"true": "websocket", "false": "spdy"}[webSockets]
			if after[protocol] != before[protocol]+1 {
				t.Errorf("sessions by %s: %d before, %d after", protocol, before[protocol], after[protocol])
			}
		})
	}
}

// forwarded starts kubectl port-forward and returns the local address; the process is killed at the end of the test.
func forwarded(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	buffer := make([]byte, 4096)
	n, err := output.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(string(buffer[:n]))
	if match == "" {
		t.Fatalf("kubectl says %q", buffer[:n])
	}
	return match
}

func TestProtocolThatReachesTheNode(t *testing.T) {
	for _, test := range []struct {
		passed       bool
		client, node string
	}{
		{true, "websocket", "websocket"},
		{true, "spdy", "spdy"},
		{false, "websocket", "spdy"},
		{false, "spdy", "spdy"},
	} {
		t.Run(fmt.Sprintf("passed %v, %s", test.passed, test.client), func(t *testing.T) {
			shared.healAtEnd(t)
			shared.mustPost(t, "websockets", fmt.Sprintf(`{"on":%v}`, test.passed))
			before := shared.podStats(t, "default/greet").Sessions
			f := mustDial(t, shared, test.client, "greet").open(7003)
			if got := f.receive(len("220 default/greet ready\r\n")); got != "220 default/greet ready\r\n" {
				t.Errorf("greeting %q", got)
			}
			after := shared.podStats(t, "default/greet").Sessions
			for protocol := range after {
				want := before[protocol]
				if protocol == test.node {
					want++
				}
				if after[protocol] != want {
					t.Errorf("sessions by %s: %d, want %d", protocol, after[protocol], want)
				}
			}
		})
	}
}

// overBoth runs a test over each protocol.
func overBoth(t *testing.T, test func(t *testing.T, protocol string)) {
	t.Helper()
	for _, protocol := range []string{"websocket", "spdy"} {
		t.Run(protocol, func(t *testing.T) { test(t, protocol) })
	}
}

func TestEchoRepeatsWhatItIsSent(t *testing.T) {
	overBoth(t, func(t *testing.T, protocol string) {
		f := mustDial(t, shared, protocol, "db-0").open(5432)
		for _, word := range []string{"one", "two", "three"} {
			f.send(word)
			if got := f.receive(len(word)); got != word {
				t.Errorf("got %q", got)
			}
		}
	})
}

func TestSourceSendsItsBytesAndEnds(t *testing.T) {
	overBoth(t, func(t *testing.T, protocol string) {
		received, failure := mustDial(t, shared, protocol, "source").open(7001).rest()
		if len(received) != 32<<20 || failure != "" {
			t.Fatalf("%d bytes, %q", len(received), failure)
		}
		for i := range len(received) {
			if received[i] != byte(uint32(i%65521)*2654435761>>13) {
				t.Fatalf("byte %d is wrong", i)
			}
		}
	})
}

func TestSinkCountsWhatItReads(t *testing.T) {
	const count = 5 << 20
	before := shared.podStats(t, "default/sink").BytesIn
	f := mustDial(t, shared, "spdy", "sink").open(7002)
	f.send(strings.Repeat("x", count))
	eventually(t, "the sink reads all", func() bool {
		return shared.podStats(t, "default/sink").BytesIn == before+count
	})
}

func TestFiveLinesComeOneByOne(t *testing.T) {
	began := time.Now()
	received, failure := mustDial(t, shared, "spdy", "five-lines").open(7005).rest()
	if strings.Count(received, "\n") != 5 || !strings.HasSuffix(received, "line 5 of 5 from default/five-lines\n") || failure != "" {
		t.Errorf("%q, %q", received, failure)
	}
	if took := time.Since(began); took < 2500*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

func TestPodThatClosesFirstEndsTheStreamASecondLater(t *testing.T) {
	overBoth(t, func(t *testing.T, protocol string) {
		began := time.Now()
		received, failure := mustDial(t, shared, protocol, "closes-first").open(7007).rest()
		if received != "goodbye from default/closes-first\n" || failure != "" {
			t.Errorf("%q, %q", received, failure)
		}
		if took := time.Since(began); took < 900*time.Millisecond {
			t.Errorf("the end came after %v, not after the second in which the client may still send", took)
		}
	})
}

func TestHalfCloseIsNotPassedOnAndEndsBothDirections(t *testing.T) {
	overBoth(t, func(t *testing.T, protocol string) {
		s := mustDial(t, shared, protocol, "after-eof")
		f := s.open(7004)
		f.send("a question")
		began := time.Now()
		f.data.Close()
		received, failure := f.rest()
		if received != "" || failure != "" {
			t.Errorf("an answer to an end of file that the pod cannot have seen: %q, %q", received, failure)
		}
		if took := time.Since(began); took < 900*time.Millisecond {
			t.Errorf("the end came after %v", took)
		}
	})
}

func TestHalfCloseTruncatesASlowAnswer(t *testing.T) {
	eventually(t, "a half-close in time", func() bool {
		s := mustDial(t, shared, "spdy", "five-lines")
		began := time.Now()
		f := s.open(7005)
		f.data.Close()
		if time.Since(began) > time.Second {
			return false // the machine is too slow to end the stream before the last lines: try again
		}
		if received, _ := f.rest(); strings.Count(received, "\n") >= 5 {
			t.Errorf("all of %q came", received)
		}
		return true
	})
}

func TestRefusedPortIsSaidOnTheErrorStreamAndHurtsNoOther(t *testing.T) {
	overBoth(t, func(t *testing.T, protocol string) {
		s := mustDial(t, shared, protocol, "refused")
		for _, port := range []int{7008, 9} {
			failure := s.refusal(port)
			want := fmt.Sprintf("127.0.0.1:%d: connect: connection refused", port)
			if !strings.Contains(failure, want) || !strings.Contains(failure, "failed to execute portforward in network namespace") {
				t.Errorf("port %d: %q", port, failure)
			}
		}
		s = mustDial(t, shared, protocol, "db-0")
		open := s.open(5432)
		if failure := s.refusal(9); !strings.Contains(failure, "connection refused") {
			t.Errorf("%q", failure)
		}
		open.send("still here")
		if got := open.receive(len("still here")); got != "still here" {
			t.Errorf("%q", got)
		}
	})
}

func TestPodThatNeverReadsBlocksItsSessionOnly(t *testing.T) {
	stuck := mustDial(t, shared, "spdy", "never-reads").open(7006)
	filled := make(chan struct{})
	go func() {
		defer close(filled)
		block := make([]byte, 1<<16)
		for {
			if _, err := stuck.data.Write(block); err != nil {
				return // the session is closed at the end of the test
			}
		}
	}()
	t.Cleanup(func() {
		shared.mustPost(t, "drop-sessions", `{"pod":"default/never-reads"}`)
		<-filled
	})
	var before int64 = -1
	eventually(t, "the connection fills up", func() bool {
		now := shared.podStats(t, "default/never-reads").BytesIn
		full := now == before && now > 0
		before = now
		return full
	})
	f := mustDial(t, shared, "spdy", "db-0").open(5432)
	f.send("beside it")
	if got := f.receive(len("beside it")); got != "beside it" {
		t.Errorf("%q", got)
	}
}

func TestDoorLeadsToALocalProgram(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "a real program")
	}))
	t.Cleanup(server.Close)
	address := strings.TrimPrefix(server.URL, "http://")
	pod := runPod(t, "door", map[string]string{"fairlead.test/door": address}, 1, 80)
	f := mustDial(t, shared, "websocket", pod).open(80)
	f.send("GET / HTTP/1.0\r\n\r\n")
	if received, failure := f.rest(); !strings.HasSuffix(received, "a real program") || failure != "" {
		t.Errorf("%q, %q", received, failure)
	}
	server.Close()
	if failure := mustDial(t, shared, "websocket", pod).refusal(80); !strings.Contains(failure, "127.0.0.1:80: connect: connection refused") {
		t.Errorf("%q", failure)
	}
}

func TestPodWithoutAProgramReportsIt(t *testing.T) {
	for name, annotations := range map[string]map[string]string{
		"no-such-program": nil,
		"door":            {"fairlead.test/door": "192.0.2.1:80"},
	} {
		pod := makePod(t, name, annotations, 1, 80)
		eventually(t, "the reason is in the status", func() bool {
			seen, err := shared.client(t).CoreV1().Pods("default").Get(t.Context(), pod, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return len(seen.Status.ContainerStatuses) == 1 && seen.Status.ContainerStatuses[0].State.Waiting != nil &&
				seen.Status.ContainerStatuses[0].State.Waiting.Reason == "CreateContainerError"
		})
	}
}

func TestLogsAndExecNameThePod(t *testing.T) {
	if got := shared.runKubectl(t, "logs", "db-1"); !strings.HasPrefix(got, "default/db-1 runs at 10.244.") {
		t.Errorf("logs: %q", got)
	}
	if got := shared.runKubectl(t, "exec", "db-1", "--", "id", "-u"); got != "default/db-1: [\"id\" \"-u\"]\n" {
		t.Errorf("exec: %q", got)
	}
}
