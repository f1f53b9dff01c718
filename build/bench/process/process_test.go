package process

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, script string) *Process {
	p, err := Start(Config{Path: "/bin/sh", Args: []string{"-c", script}, Dir: t.TempDir(), Name: "script"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// within bounds a wait for something that happens immediately.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestLinesComeAsTheyArePrinted(t *testing.T) {
	p := start(t, "echo one; echo two; cat")
	for _, want := range []string{"one", "two"} {
		if got, err := p.Line(within(t)); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}

func TestTheEndOfAProgramCarriesItsLastWords(t *testing.T) {
	p := start(t, "echo cannot go on >&2; exit 3")
	_, err := p.Line(within(t))
	if err == nil || !strings.Contains(err.Error(), "cannot go on") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%v", err)
	}
}

func TestStopEndsAProgramThatWaitsForItsInput(t *testing.T) {
	p := start(t, "cat; echo done >&2")
	p.Stop()
	select {
	case <-p.Ended():
	default:
		t.Error("it still runs")
	}
	p.Stop()
}

func TestAProgramDoesNotSeeProxySettings(t *testing.T) {
	t.Setenv("https_proxy", "http://proxy.example:3128")
	t.Setenv("NO_PROXY", "none")
	p := start(t, "env | grep -ci _proxy=; cat")
	if got, err := p.Line(within(t)); err != nil || got != "0" {
		t.Errorf("%q of them, %v", got, err)
	}
}

func TestABusyProgramCostsTime(t *testing.T) {
	p := start(t, "echo busy; while :; do :; done")
	if _, err := p.Line(within(t)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		used, err := p.CPU()
		if err != nil {
			t.Fatal(err)
		}
		if used >= 2*tick {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it used %s", used)
		}
	}
	if bytes, err := p.Memory(); err != nil || bytes < 4096 {
		t.Errorf("memory %d, %v", bytes, err)
	}
}
