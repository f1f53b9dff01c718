package api

import (
	"errors"
	"testing"

	"fairlead/kube/fault"
)

func TestFirstSuccessIsReportedOnRequest(t *testing.T) {
	away := &fault.Unreachable{Err: errors.New("away")}
	for _, test := range []struct {
		first bool
		seen  []error
		want  int // reports
	}{
		{false, []error{nil, nil}, 0},
		{true, []error{nil, nil}, 1},
		{true, []error{away, away, nil, nil}, 2},
	} {
		var reports []error
		h := NewHealth(func(err error) { reports = append(reports, err) })
		h.ReportFirst = test.first
		for _, err := range test.seen {
			h.observe(err)
		}
		if len(reports) != test.want || test.want > 0 && reports[test.want-1] != nil {
			t.Errorf("%+v: reports %v", test, reports)
		}
	}
}
