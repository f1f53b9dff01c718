package kubeconfig

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/build/scaletest"
)

// Two files are merged, without reading them.
func TestMergingTakesInProportionToTheContexts(t *testing.T) {
	scaletest.Linear(t, func(t *testing.T, n int) func() {
		half := scaletest.Kubeconfig(n / 2)
		files := map[string]reading{"a": parseFile(content{data: []byte(half)}, "a"), "b": parseFile(content{data: []byte(strings.ReplaceAll(half, "team", "b-team"))}, "b")}
		t.Setenv("KUBECONFIG", "a"+string(os.PathListSeparator)+"b")
		return func() {
			if k := readKubeconfigBy("", func(file string) reading { return files[file] }).kubeconfig(); len(k.Contexts) != n || len(summary(k)) < n {
				t.Fatalf("%d contexts, %v", len(k.Contexts), k.Problems)
			}
		}
	})
}

// One entry that cannot be parsed must not make the others expensive, although each of them is then parsed by itself.
func TestABrokenEntryLeavesTheOthersCheap(t *testing.T) {
	costOf := func(text string) testing.BenchmarkResult {
		return testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if p := parseKubeconfig([]byte(text)); len(p.contexts) < 1000 {
					b.Fatalf("%d contexts, %v", len(p.contexts), p.errs)
				}
			}
		})
	}
	whole := scaletest.Kubeconfig(1000)
	sound, broken := costOf(whole), costOf(whole+"- {name: bad, context: [1]}\n")
	if most := 4 * sound.AllocedBytesPerOp(); broken.AllocedBytesPerOp() > most {
		t.Errorf("%d KiB with a broken entry, %d KiB without", broken.AllocedBytesPerOp()>>10, sound.AllocedBytesPerOp()>>10)
	}
	t.Logf("sound: %v %v, broken: %v %v", sound, sound.MemString(), broken, broken.MemString())
}

// What many contexts name is checked once, however large it is: here an entry grows with the number of contexts that
// name it.
func TestASharedEntryIsExaminedOnce(t *testing.T) {
	scaletest.Linear(t, func(t *testing.T, n int) func() {
		var text strings.Builder
		file := filepath.Join(t.TempDir(), "ca.crt")
		certificate := pem.EncodeToMemory(&pem.Block{Type: "OTHER", Bytes: make([]byte, 20*n)})
		certificate = append(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: make([]byte, 100)})...)
		if err := os.WriteFile(file, certificate, 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "apiVersion: v1\nkind: Config\nclusters:\n- name: data\n  cluster: {server: \"https://c\", certificate-authority-data: %s}\n",
			base64.StdEncoding.EncodeToString(certificate))
		for i := range n {
			fmt.Fprintf(&text, "- {name: file-%d, cluster: {server: \"https://c\", certificate-authority: %s}}\n", i, file)
		}
		text.WriteString("users:\n- name: u\n  user:\n    exec:\n      {apiVersion: client.authentication.k8s.io/v1, command: login, interactiveMode: Never, env: [")
		for i := range n {
			fmt.Fprintf(&text, "{name: variable-%d, value: x}, ", i)
		}
		text.WriteString("]}\ncontexts:\n")
		for i := range n {
			fmt.Fprintf(&text, "- {name: data-%d, context: {cluster: data, user: u}}\n- {name: file-%d, context: {cluster: file-%d, user: u}}\n", i, i, i)
		}
		read := parseFile(content{data: []byte(text.String())}, "a")
		t.Setenv("KUBECONFIG", "a")
		return func() {
			k := readKubeconfigBy("", func(string) reading { return read }).kubeconfig()
			if len(k.Contexts) != 2*n || k.Contexts[0].Err != nil || k.Contexts[1].Err != nil {
				t.Fatalf("%d contexts, %v", len(k.Contexts), k.Problems)
			}
		}
	})
}

func TestAChangeTakesInProportionToTheContexts(t *testing.T) {
	scaletest.Linear(t, func(t *testing.T, n int) func() {
		path := scaletest.File(t, n)
		text := scaletest.Kubeconfig(n)
		told := 0
		w := &watch{path: path, files: map[string]*watchedFile{}, changed: func(k Config) {
			if told++; len(k.Contexts) != n {
				t.Fatalf("%d contexts", len(k.Contexts))
			}
		}}
		w.check(true)
		change := "namespace: a"
		return func() {
			before := told
			change += "a"
			if err := os.WriteFile(path, []byte(strings.Replace(text, "namespace: web", change, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if wait := w.check(true); wait > 0 {
				time.Sleep(wait)
				w.check(false)
			}
			if told != before+1 {
				t.Fatalf("changed was called %d times", told-before)
			}
		}
	})
}
