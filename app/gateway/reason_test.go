package gateway

import (
	"errors"
	"fmt"
	"net"
	"os"
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
	_, noAddress := net.Listen("tcp", "192.0.2.1:1080") // of RFC 5737, and not this machine's
	_, noFile := os.ReadFile("/no/such/certificate")
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
		{fmt.Errorf("start: %w", &fault.Kubeconfig{Cause: fault.KubeconfigFile, Entry: "user", Name: "a", Field: "client-key", Err: errors.New("gone")}), session.Unusable, ""},
		{noAddress, session.CannotListen, ""},
		{noFile, session.Unusable, ""},
		{errors.New("odd"), "", ""},
	} {
		if r := Reason(c.err); r.Trouble != c.trouble || r.Login != c.login || r.Text == "" || r.Title == "" || (r.Hint == "" && r.Trouble == session.PortTaken) {
			t.Errorf("%v: %+v", c.err, r)
		}
	}
}
