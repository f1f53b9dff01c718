package proxytest

import (
	"net"
	"os"
	"strings"
	"testing"
)

func TestALaunchedProxyRunsUntilItIsStopped(t *testing.T) {
	var p *Proxy
	var dir string
	stop, err := Launch(func(t TB) {
		p = Stunnel(t, NewCertificates(t), true, Tinyproxy(t, Options{}))
		dir = t.TempDir()
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	stop()
	if conn, err := net.Dial("tcp", p.Address); err == nil {
		_ = conn.Close()
		t.Error("it still listens")
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("its directory: %v", err)
	}
}

func TestAFailureOfALaunchIsItsErrorAndStopsTheRest(t *testing.T) {
	var p *Proxy
	stop, err := Launch(func(t TB) {
		p = Tinyproxy(t, Options{})
		t.Fatalf("no %s today", "squid")
		t.Errorf("it went on")
	})
	if err == nil || err.Error() != "no squid today" || stop != nil {
		t.Errorf("%v, %t", err, stop != nil)
	}
	if conn, err := net.Dial("tcp", p.Address); err == nil {
		_ = conn.Close()
		t.Error("tinyproxy still listens")
	}
	_, err = Launch(func(t TB) { Tinyproxy(t, Options{}, "NoSuchWord here") })
	if err == nil || !strings.Contains(err.Error(), "tinyproxy does not listen") {
		t.Errorf("a proxy that does not start: %v", err)
	}
}
