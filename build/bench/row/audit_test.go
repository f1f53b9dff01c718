package row

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestAuditCountsWhatFairleadAsksAndNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	lines := `{"stage":"ResponseComplete","verb":"get","userAgent":"fairlead/1","objectRef":{"resource":"services","namespace":"a","name":"b"}}
{"stage":"ResponseStarted","verb":"create","userAgent":"fairlead/1","objectRef":{"resource":"pods","subresource":"portforward","namespace":"a","name":"p"}}
{"stage":"ResponseComplete","verb":"create","userAgent":"fairlead/1","objectRef":{"resource":"pods","subresource":"portforward","namespace":"a","name":"p"}}
{"stage":"ResponseComplete","verb":"list","userAgent":"kubectl/v1","objectRef":{"resource":"pods"}}
{"stage":"ResponseComplete","verb":"list","userAgent":"fairlead/1","objectRef":{"resource":"pods"}}
{"stage":"ResponseComplete","verb":"get","userAgent":"fairlead/1","requestURI":"/version"}
{"stage":"ResponseStarted","verb":"watch","userAgent":"fairlead/1","objectRef":{"resource":"endpointslices","namespace":"a"}}
{"stage":"ResponseComplete","verb":"watch","userAgent":"fairlead/1","objectRef":{"resource":"endpointslices","namespace":"a"}}
{"stage":"ResponseStarted","verb":"watch","userAgent":"fairlead/1","objectRef":{"resource":"endpointslices","namespace":"b"}}
{"stage":"ResponseStarted","verb":"watch","userAgent":"kubectl/v1","objectRef":{"resource":"pods"}}
{"stage":"ResponseComplete","verb":"create","userAgent":"fairlead/1","objectRef":{"resource":"selfsubjectaccessreviews"}}
`
	const rest = `{"stage":"ResponseComplete","verb":"get","userAgent":"fairlead/1","objectRef":{"resource":"namespaces","name":"a"}}` + "\n"
	if err := os.WriteFile(path, []byte(lines+rest[:40]), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &audit{path: path}
	got, err := log.next(t.Context())
	want := []apiRequest{
		{"get", "services", "a", "b"}, {"create", "pods/portforward", "a", "p"}, {"list", "pods", "", ""},
		{"get", "/version", "", ""}, {"watch", "endpointslices", "a", ""}, {"watch", "endpointslices", "b", ""}, {"create", "selfsubjectaccessreviews", "", ""},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if n := countMatching(got, apiRequest.everywhere); n != 1 {
		t.Errorf("%d lists in all namespaces", n)
	}
	if !got[1].portForward() || got[0].portForward() || !got[4].watch() || got[2].watch() || !got[6].review() {
		t.Error("kinds of requests are mistaken")
	}
	if log.open != 1 {
		t.Errorf("%d watches are open, want the one that has not ended", log.open)
	}
	// The incomplete line is read once it is complete, and only once.
	if err := os.WriteFile(path, []byte(lines+rest), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := log.next(t.Context()); err != nil || !slices.Equal(got, []apiRequest{{"get", "namespaces", "", "a"}}) {
		t.Errorf("%v, %v", got, err)
	}
}
