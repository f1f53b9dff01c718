package objects

import (
	"strings"
	"testing"

	"fairlead/kube/api"
	"fairlead/kube/jsonstream"
)

func TestASelectorBecomesALabelSelectorsText(t *testing.T) {
	const text = `{"kind": "Deployment", "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web", "a/b": ""}, "matchExpressions": [
		{"key": "tier", "operator": "In", "values": ["x", "y"]}, {"key": "old", "operator": "NotIn", "values": ["z"]},
		{"key": "up", "operator": "Exists"}, {"key": "down", "operator": "DoesNotExist"}]}}}`
	r := jsonstream.NewReader(strings.NewReader(text), api.AnswerBounds, nil)
	defer r.Close()
	const want = "!down,a/b=,app=web,old notin (z),tier in (x,y),up"
	if got := strings.Join(api.ObjectOf("Deployment", readSelector)(r), ","); got != want {
		t.Errorf("got %s, want %s, %v", got, want, r.Err())
	}
}
