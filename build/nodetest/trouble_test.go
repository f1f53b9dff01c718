//go:build node

package nodetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fairlead/build/clustertest"
)

// onEachCarrier runs a test of the product on each runtime, over each carrier.
func onEachCarrier(t *testing.T, test func(t *testing.T, c *clustertest.Cluster, p *product)) {
	onEachCluster(t, func(t *testing.T, c *clustertest.Cluster) {
		for _, carrier := range carriers {
			t.Run(carrier, func(t *testing.T) { test(t, c, serve(t, c, carrier)) })
		}
	})
}

// refused is the SOCKS reply of RFC 1928 for a refused connection.
const refused = refusal(5)

func TestARefusalIsARefusal(t *testing.T) {
	onEachCarrier(t, func(t *testing.T, c *clustertest.Cluster, p *product) {
		alive := make([]net.Conn, 100)
		for i := range alive {
			alive[i] = mustEcho(t, p)
			defer alive[i].Close()
		}
		// Both the Pod's own port and the Service's are used: each refusal is new or from the cache.
		address := kubectl(t, c, "get", "pod", "-l", "app=echo", "-o", "jsonpath={.items[0].status.podIP}")
		for i := range 200 {
			if _, err := p.socks(t.Context(), address, 20000+i); !errors.Is(err, refused) {
				t.Fatalf("refusal %d: %v", i, err)
			}
		}
		got := p.overHTTP().get("refused.default.svc")
		if !strings.Contains(got.failure, "502") || !strings.Contains(got.failure, "othing is listening on port") {
			t.Errorf("over HTTP: %q", got.failure)
		}
		out, err := p.run("doctor", "demo", "refused.default.svc:80")
		if err == nil || !strings.Contains(out, "othing is listening on port") {
			t.Errorf("doctor: %v\n%s", err, out)
		}
		for i, conn := range alive {
			if err := echoes(conn, "still here"); err != nil {
				t.Errorf("connection %d after the refusals: %v", i, err)
			}
		}
	})
}

func mustEcho(t *testing.T, p *product) net.Conn {
	t.Helper()
	conn, err := p.socks(t.Context(), "echo.default.svc", 7)
	if err == nil {
		err = echoes(conn, "hello")
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func echoes(conn net.Conn, text string) error {
	if err := conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if string(got) != text {
		return fmt.Errorf("echo of %q: %q", text, got)
	}
	return nil
}

// TestAllPodsAtOnceAreKilled deletes every Pod of a Service without a grace period.
func TestAllPodsAtOnceAreKilled(t *testing.T) {
	onEachCarrier(t, func(t *testing.T, c *clustertest.Cluster, p *product) {
		name := fmt.Sprintf(rolledName, finishes)
		apply(t, c, deployment(finishes, 1, t.Name()))
		kubectl(t, c, "rollout", "status", "deployment", name, "--timeout=120s")
		l := begin(p, name)
		within(t, time.Minute, "requests", func() bool { return l.count() >= 100 })
		kubectl(t, c, "delete", "pod", "-l", "app="+name, "--force", "--grace-period=0")
		ready := readyAddresses(t, c, name)
		served := servedAfter(l)
		if late := served.Sub(ready); late > 300*time.Millisecond {
			t.Errorf("the first Pod serves %v after its slice says that it is ready", late)
		} else {
			t.Logf("the first Pod serves %v after its slice says that it is ready", late)
		}
		within(t, time.Minute, "requests", func() bool { return l.count() >= 500 })
		l.bound = 3 * time.Second
		l.end(t)
		for client, failures := range l.failed {
			for _, failure := range failures {
				if !isReported(client, failure) {
					t.Errorf("%s met %s", client, failure)
				}
			}
		}
	})
}

// isReported reports whether a failure tells the client that there was no answer: with a SOCKS reply, a reset, or an HTTP
// status with a sentence.
func isReported(client, failure string) bool {
	if strings.HasPrefix(client, "HTTP") {
		_, sentence, ok := strings.Cut(failure, ": ")
		return ok && (strings.HasPrefix(failure, "502") || strings.HasPrefix(failure, "503")) && len(sentence) > 20
	}
	return strings.Contains(failure, "SOCKS reply") || strings.Contains(failure, syscall.ECONNRESET.Error())
}

// readyAddresses waits until the slices of a Service have a ready address, and returns the time at which they had.
func readyAddresses(t *testing.T, c *clustertest.Cluster, service string) time.Time {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := c.KubectlCommand(ctx, "get", "endpointslices", "-l", "kubernetes.io/service-name="+service, "--watch",
		"-o", `jsonpath={.endpoints[*].conditions.ready}{"\n"}`)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = command.Wait() }()
	var text strings.Builder
	for b := make([]byte, 4096); ; {
		n, err := out.Read(b)
		text.Write(b[:n])
		if strings.Contains(text.String(), "true") {
			return time.Now()
		}
		if err != nil {
			t.Fatalf("watch the slices: %v: %q", err, text.String())
		}
	}
}

// servedAfter waits for the next answered request, and returns the time of the answer.
func servedAfter(l *load) time.Time {
	l.mu.Lock()
	before := l.answered
	l.mu.Unlock()
	for {
		l.mu.Lock()
		now, last := l.answered, l.last
		l.mu.Unlock()
		if now > before {
			return last
		}
		time.Sleep(time.Millisecond)
	}
}

// TestANodeInTrouble kills a container, and restarts the node's containerd and its kubelet, with open connections.
func TestANodeInTrouble(t *testing.T) {
	onOwnCluster(t, func(t *testing.T, c *clustertest.Cluster) {
		for _, carrier := range carriers {
			t.Run(carrier, func(t *testing.T) { disturbNode(t, c, serve(t, c, carrier)) })
		}
	})
}

func disturbNode(t *testing.T, c *clustertest.Cluster, p *product) {
	for _, trouble := range []struct {
		name  string
		cause func() error
	}{
		{"the container is killed", func() error { return c.KillContainer(t.Context(), echoPod(t, c), "") }},
		{"containerd is restarted", func() error { return c.RestartContainerd(t.Context()) }},
		{"the kubelet is restarted", func() error { return c.RestartKubelet(t.Context()) }},
	} {
		t.Run(trouble.name, func(t *testing.T) {
			var open [5]net.Conn
			for i := range open {
				// A restarted kubelet treats Pods as not ready until it has probed them again.
				within(t, time.Minute, "a connection", func() bool {
					var err error
					if open[i], err = p.socks(t.Context(), "echo.default.svc", 7); err != nil {
						return false
					}
					if err = echoes(open[i], "hello"); err != nil {
						_ = open[i].Close()
					}
					return err == nil
				})
				defer open[i].Close()
			}
			if err := trouble.cause(); err != nil {
				t.Fatal(err)
			}
			// Each of them is still open, or has ended.
			for i, conn := range open {
				begun := time.Now()
				if err := echoes(conn, "hello"); errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begun) > 5*time.Second {
					t.Errorf("connection %d: %v after %v", i, err, time.Since(begun))
				}
			}
			within(t, time.Minute, "new connections", func() bool {
				conn, err := p.socks(t.Context(), "echo.default.svc", 7)
				if err != nil {
					return false
				}
				defer conn.Close()
				return echoes(conn, "hello") == nil
			})
		})
	}
}

func echoPod(t *testing.T, c *clustertest.Cluster) string {
	return "default/" + kubectl(t, c, "get", "pod", "-l", "app=echo", "-o", "jsonpath={.items[0].metadata.name}")
}

// TestProgramThatNeverReadsDelaysNoOtherConnection fills the buffers to a program that never reads, while other
// connections are open.
func TestProgramThatNeverReadsDelaysNoOtherConnection(t *testing.T) {
	onEachCarrier(t, func(t *testing.T, c *clustertest.Cluster, p *product) {
		stuck, err := p.socks(t.Context(), "never-reads.default.svc", 7006)
		if err != nil {
			t.Fatal(err)
		}
		var writing sync.WaitGroup
		writing.Go(func() { _, _ = io.Copy(stuck, clustertest.Pattern(1<<30)) }) // until it is closed
		for range 50 {
			conn := mustEcho(t, p)
			_ = conn.Close()
		}
		begun := time.Now()
		_ = stuck.Close()
		writing.Wait()
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("the stuck connection ends after %v", took)
		}
	})
}

func TestTwoHundredAtOnceArriveWhole(t *testing.T) {
	const size = 256 << 10
	want := clustertest.PatternSHA256(size)
	onEachCarrier(t, func(t *testing.T, c *clustertest.Cluster, p *product) {
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				conn, err := p.socks(t.Context(), "echo.default.svc", 7)
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
					t.Error(err)
				}
				sum := sha256.New()
				all.Go(func() { _, _ = io.Copy(conn, clustertest.Pattern(size)) }) // the checksum shows errors
				n, err := io.CopyN(sum, conn, size)
				if got := hex.EncodeToString(sum.Sum(nil)); got != want {
					t.Errorf("%d bytes there and back: %v", n, err)
				}
			})
		}
		all.Wait()
	})
}

func TestAnAnswerSurvivesTheClientsHalfClose(t *testing.T) {
	onEachCarrier(t, func(t *testing.T, c *clustertest.Cluster, p *product) {
		conn, err := p.socks(t.Context(), "five-lines.default.svc", 7005)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		if err != nil || strings.Count(string(got), "\n") != 5 {
			t.Errorf("%q, %v", got, err)
		}
	})
}
