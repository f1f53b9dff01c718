package kube

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"k8s.io/klog/v2"
)

// The Kubernetes libraries log to our log only, since their messages may contain text of a server.
func TestErrorsOfTheKubernetesLibrariesAreLogged(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = w
	var log bytes.Buffer
	LogTo(zerolog.New(&log))
	klog.ErrorS(io.ErrUnexpectedEOF, "no good answer", "said", "a\u202eb password=hunter2")
	klog.Warning("a warning\u202e")
	klog.Flush()
	os.Stderr = stderr
	LogTo(zerolog.Nop())
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(r); err != nil || len(said) > 0 {
		t.Errorf("stderr has %q, %v", said, err)
	}
	lines := log.String()
	if n := strings.Count(lines, "no good answer"); n != 1 || strings.Count(lines, "a warning") != 1 {
		t.Errorf("the log has it %d times: %s", n, lines)
	}
	if strings.Contains(lines, "hunter2") || strings.Contains(lines, "\u202e") {
		t.Errorf("%q", lines)
	}
}
