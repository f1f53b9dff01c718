package gateway

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"fairlead/app/session"
	"fairlead/kube/fault"
)

func TestReasonsTellWhatViewsCanOffer(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, inUse := net.Listen("tcp", taken.Addr().String())
	for _, c := range []struct {
		err     error
		trouble session.Trouble
		login   string
	}{
		{fmt.Errorf("start: %w", &fault.Login{Context: "a", Command: "aws sso login", Err: errors.New("401")}), session.LoginNeeded, "aws sso login"},
		{&fault.Unreachable{Server: "https://api", Err: errors.New("no route")}, session.Unreachable, ""},
		{&fault.Blocked{Server: "api:6443", Status: 403}, session.Unreachable, ""},
		{inUse, session.PortTaken, ""},
		{&fault.Login{Context: "a", Plugin: "aws", Cause: fault.PluginMissing, Command: "aws sso login"}, session.LoginNeeded, ""},
		{&fault.Login{Context: "a", Plugin: "aws", Cause: fault.PluginDenied, Command: "aws sso login"}, session.LoginNeeded, ""},
		{errors.New("odd"), "", ""},
	} {
		if r := Reason(c.err); r.Trouble != c.trouble || r.Login != c.login || r.Text == "" || r.Title == "" || (r.Hint == "" && r.Trouble == session.PortTaken) {
			t.Errorf("%v: %+v", c.err, r)
		}
	}
}
