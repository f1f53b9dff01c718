package main

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestAWrongCommandLineIsRefusedBeforeAnythingStarts(t *testing.T) {
	for _, line := range []string{"--row 13", "--row -1", "--row x", "--subjects fairlead,ssh", "--nothing", "more", "--readme --row 1", "--readme --node real"} {
		err := runCommand(context.Background(), strings.Fields(line))
		var usage *usageError
		if !errors.As(err, &usage) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestSubjectsAreAllUnlessNamed(t *testing.T) {
	all, some := parameters{Other: "proxy --port {port}"}, parameters{Other: "proxy", Subjects: "kubectl,TLS"}
	if got := names(all); got != "fairlead kubectl other TCP TLS relay" {
		t.Errorf("without names: %s", got)
	}
	if got := names(some); got != "kubectl TLS relay" {
		t.Errorf("two by name: %s", got)
	}
	if got := names(parameters{}); strings.Contains(got, "other") {
		t.Errorf("without a further proxy's command: %s", got)
	}
}

func names(p parameters) string {
	var all []string
	for _, kind := range p.kinds([]string{"kubectl"}, nil) {
		all = append(all, kind.Name())
	}
	return strings.Join(all, " ")
}
