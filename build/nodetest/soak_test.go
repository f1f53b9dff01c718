//go:build node

package nodetest

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/build/clustertest"
)

// soakVariable is the environment variable with the duration of a soak on each runtime, as ten minutes for a longer
// run.
const soakVariable = "NODETEST_SOAK"

const (
	soakTime  = 45 * time.Second
	rollEvery = 20 * time.Second
	mayGrowBy = 32 << 20 // bytes of memory
)

// TestSoak lets clients read and write during a rollout every 20 s, over both carriers at once. Nothing may fail, be
// sent twice or leak.
func TestSoak(t *testing.T) {
	lasts := soakTime
	if text := os.Getenv(soakVariable); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	onEachCluster(t, func(t *testing.T, c *clustertest.Cluster) { soak(t, c, lasts) })
}

func soak(t *testing.T, c *clustertest.Cluster, lasts time.Duration) {
	notes := filepath.Join(c.State, "notes")
	if err := os.MkdirAll(notes, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(notes, 0o777); err != nil { // whatever the umask: the programs run as another user
		t.Fatal(err)
	}
	defer os.RemoveAll(notes)
	name := fmt.Sprintf(rolledName, finishes)
	round := 0
	roll := func() {
		round++
		manifest := deployment(finishes, 1, fmt.Sprintf("soak-%d", round))
		manifest = strings.Replace(manifest, "env: [", "volumeMounts: [{name: notes, mountPath: /notes}]\n        env: [{name: NOTES, value: /notes}, ", 1)
		manifest = strings.Replace(manifest, "      containers:", "      volumes: [{name: notes, hostPath: {path: "+notes+"}}]\n      containers:", 1)
		apply(t, c, manifest)
		kubectl(t, c, "rollout", "status", "deployment", name, "--timeout=120s")
	}
	roll()
	over := make(chan struct{})
	var writing sync.WaitGroup
	written := &writes{answered: map[string]bool{}}
	products := map[string]*product{}
	var loads []*load
	for _, carrier := range carriers {
		p := serve(t, c, carrier)
		products[carrier] = p
		loads = append(loads, begin(p, name))
		for i, a := range []httpClient{p.overSOCKS(), p.overHTTP()} {
			writing.Go(func() { written.write(a, name, fmt.Sprintf("%s-%d", carrier, i), over) })
		}
	}
	within(t, time.Minute, "requests", func() bool { return loads[0].count() > 200 && loads[1].count() > 200 })
	before := map[string]usage{}
	for carrier, p := range products {
		before[carrier] = p.usage()
	}
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		next := time.Now().Add(rollEvery)
		roll()
		within(t, 2*rollEvery, "the time of the next rollout", func() bool { return !time.Now().Before(next) })
	}
	close(over)
	writing.Wait()
	for _, l := range loads {
		l.bound = 5 * time.Second
		l.end(t)
		for client, failures := range l.failed {
			t.Errorf("%s met %d failures: %s", client, len(failures), strings.Join(failures, "; "))
		}
	}
	written.check(t, notes)
	for carrier, p := range products {
		var now usage
		// Sessions with the last Pods are kept for a while, like those with the first.
		within(t, 2*time.Minute, carrier+": no descriptors are kept", func() bool {
			now = p.usage()
			return now.descriptors <= before[carrier].descriptors
		})
		t.Logf("%s: %d descriptors and %d MiB before, %d and %d after %v", carrier,
			before[carrier].descriptors, before[carrier].memory>>20, now.descriptors, now.memory>>20, lasts)
		if now.memory > before[carrier].memory+mayGrowBy {
			t.Errorf("%s: the memory has grown from %d to %d MiB", carrier, before[carrier].memory>>20, now.memory>>20)
		}
	}
}

// writes holds requests that must not be sent twice.
type writes struct {
	mu       sync.Mutex
	sent     int
	answered map[string]bool
	failures []string
}

// write sends one request after the other until over is closed.
func (w *writes) write(a httpClient, service, writer string, over <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-over:
			return
		case <-time.After(50 * time.Millisecond):
		}
		id := fmt.Sprintf("%s-%d", writer, i)
		response, err := a.client.Post("http://"+service+"/note/"+id, "text/plain", strings.NewReader("noted"))
		var body []byte
		if err == nil {
			body, err = io.ReadAll(response.Body)
			response.Body.Close()
		}
		w.mu.Lock()
		w.sent++
		switch {
		case err != nil:
			w.failures = append(w.failures, fmt.Sprintf("%s: %v", id, err))
		case response.StatusCode != http.StatusOK:
			w.failures = append(w.failures, fmt.Sprintf("%s: %s: %s", id, response.Status, body))
		default:
			w.answered[id] = true
		}
		w.mu.Unlock()
	}
}

// check compares what was sent with what the programs recorded.
func (w *writes) check(t *testing.T, notes string) {
	t.Helper()
	times := map[string]int{}
	files, err := os.ReadDir(notes)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.Open(filepath.Join(notes, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(content); lines.Scan(); {
			times[lines.Text()]++
		}
		content.Close()
	}
	t.Logf("%d requests that write, of which %d were answered, noted by %d Pods", w.sent, len(w.answered), len(files))
	if len(w.answered) == 0 || len(files) < 2*replicas {
		t.Error("too little was written")
	}
	for id, n := range times {
		if n > 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
	for id := range w.answered {
		if times[id] == 0 {
			t.Errorf("%s was answered and not noted", id)
		}
	}
	for _, failure := range w.failures {
		t.Errorf("a request that writes failed: %s", failure)
	}
}

// usage is the memory and descriptors of a product.
type usage struct {
	descriptors int
	memory      int
}

func (p *product) usage() (u usage) {
	p.t.Helper()
	proc := fmt.Sprintf("/proc/%d/", p.pid)
	open, err := os.ReadDir(proc + "fd")
	if err != nil {
		p.t.Fatal(err)
	}
	u.descriptors = len(open)
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kilobytes, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")))
			if err != nil {
				p.t.Fatal(err)
			}
			u.memory = kilobytes << 10
		}
	}
	return u
}
