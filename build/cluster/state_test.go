package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestClaimRefusesADirectoryWithOtherFiles(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "etcd")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := claim(dir); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("claim: %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestClaimRefusesADirectoryInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first, err := claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := claim(dir); err == nil || !strings.Contains(err.Error(), "another cluster runs in it") {
		t.Errorf("second claim: %v", err)
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	again, err := claim(dir)
	if err != nil {
		t.Fatalf("claim after release: %v", err)
	}
	if err := again.release(); err != nil {
		t.Error(err)
	}
}

func TestClaimClearsWhatAnEarlierClusterLeftAndNothingElse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first, err := claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kubeconfig", "mine"} {
		if err := os.WriteFile(first.path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	second, err := claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer second.release()
	if _, err := os.Stat(second.path("kubeconfig")); !os.IsNotExist(err) {
		t.Errorf("kubeconfig: %v", err)
	}
	if _, err := os.Stat(second.path("mine")); err != nil {
		t.Errorf("mine: %v", err)
	}
}

func TestReleaseRemovesWhatClaimMade(t *testing.T) {
	s, err := claim("")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(s.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := s.release(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("left: %v", err)
	}
}

func TestClaimRefusesANameTooLongForASocket(t *testing.T) {
	if _, err := claim(filepath.Join(t.TempDir(), strings.Repeat("x", 100))); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("%v", err)
	}
}

func TestParseRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range [][]string{{"up"}, {"--websockets=maybe"}, {"--no-such-flag"}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
	o, err := parse([]string{"--controllers=false"}, io.Discard)
	if err != nil || o.fixtures {
		t.Errorf("without controllers: %+v, %v", o, err)
	}
}
