package kube

import (
	"os"
	"strings"
	"testing"
	"time"

	"fairlead/build/scaletest"
)

// Of two files, and without reading them.
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

func TestAChangeTakesInProportionToTheContexts(t *testing.T) {
	scaletest.Linear(t, func(t *testing.T, n int) func() {
		path := scaletest.File(t, n)
		text := scaletest.Kubeconfig(n)
		told := 0
		w := &watch{path: path, files: map[string]*watchedFile{}, changed: func(k Kubeconfig) {
			if told++; len(k.Contexts) != n {
				t.Fatalf("%d contexts", len(k.Contexts))
			}
		}}
		w.look(true)
		change := "namespace: a"
		return func() {
			before := told
			change += "a"
			if err := os.WriteFile(path, []byte(strings.Replace(text, "namespace: web", change, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if wait := w.look(true); wait > 0 {
				time.Sleep(wait)
				w.look(false)
			}
			if told != before+1 {
				t.Fatalf("told %d times", told-before)
			}
		}
	})
}
