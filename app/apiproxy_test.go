package main

import (
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fairlead/app/control"
	"fairlead/build/proxytest"
	"fairlead/build/testport"
)

var serverLine = regexp.MustCompile(`(?m)^( *)server: *"?https://127\.0\.0\.1:(\d+)"?$`)

// kubeconfigVia returns the cluster's kubeconfig with its API server at another address and a proxy-url, and the real
// address.
func kubeconfigVia(t *testing.T, server, proxyURL string) (file, address string) {
	t.Helper()
	text, err := os.ReadFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	found := serverLine.FindSubmatch(text)
	if found == nil {
		t.Fatalf("no server in\n%s", text)
	}
	address = "127.0.0.1:" + string(found[2])
	server = strings.ReplaceAll(server, "PORT", string(found[2]))
	text = serverLine.ReplaceAll(text, []byte("${1}server: "+server+"\n${1}tls-server-name: localhost\n${1}proxy-url: "+proxyURL))
	file = filepath.Join(t.TempDir(), "kubeconfig")
	writeFile(t, file, string(text))
	return file, address
}

// reasonOf returns why a context of a running Fairlead cannot be used, or "" if it can.
func (r *running) reasonOf(t *testing.T, name string) string {
	t.Helper()
	var status struct{ Contexts []control.Context }
	if err := json.Unmarshal([]byte(r.must(t, "status", "-o", "json")), &status); err != nil {
		t.Fatal(err)
	}
	for _, c := range status.Contexts {
		if c.Name == name {
			return c.Reason
		}
	}
	t.Fatalf("no context %s", name)
	return ""
}

// The proxies in the kubeconfig and the environment are traps. The settings lead past them, then through a proxy, and
// back.
func TestAChangedAPIProxyIsAppliedWhileConnectionsStayOpen(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		t.Setenv(name, "http://"+proxytest.Trap(t))
	}
	kubeconfig, address := kubeconfigVia(t, "https://LOCALHOST:PORT", "http://"+proxytest.Trap(t))
	p := proxytest.HTTP(t, "http", proxytest.Options{Login: true})

	state := t.TempDir()
	testport.Assign(t, state, "demo", "demo-team")
	file := filepath.Join(state, "config", "fairlead", "config.yaml")
	set := func(value string) { writeFile(t, file, "contexts: {demo: {api-proxy: \""+value+"\"}}\n") }
	set("none")
	home := []string{"XDG_STATE_HOME=" + state, "XDG_CONFIG_HOME=" + filepath.Join(state, "config"), "XDG_RUNTIME_DIR=" + filepath.Join(state, "none")}
	r := start(t, home, "serve", "--kubeconfig", kubeconfig, "demo")
	r.state = state
	_, listening, _ := strings.Cut(r.line(t), "socks5h://")
	conn, reply := socks5(t, listening, "echo.default", 7)
	if reply != 0 {
		t.Fatalf("echo: reply %d", reply)
	}
	open := echoing{conn}
	open.stillEchoes(t)
	reaches := func() bool {
		conn, reply := socks5(t, listening, "hello", 80)
		conn.Close()
		return reply == 0
	}

	set(p.URL().String())
	eventually(t, "connections go through the proxy", func() bool { return reaches() && len(p.Tunnels()) > 1 })
	for _, tunnel := range p.Tunnels() {
		if !strings.EqualFold(tunnel, strings.Replace(address, "127.0.0.1", "localhost", 1)) {
			t.Errorf("a tunnel to %s", tunnel)
		}
	}
	open.stillEchoes(t)

	dead := proxytest.Dead(t)
	set("socks5h://me:" + proxytest.Password + "@" + dead)
	eventually(t, "the dead proxy to be reported", func() bool {
		return !reaches() && strings.Contains(r.reasonOf(t, "demo"), "Nothing is listening at the address of the proxy "+dead)
	})
	open.stillEchoes(t)

	// A value of another kind changes nothing, and is reported with its line.
	set("ftp://me:" + proxytest.Password + "@" + dead)
	eventually(t, "the mistake to be reported", func() bool { return strings.Contains(r.stderr.String(), "config.yaml:1: an api-proxy is auto") })

	before := len(p.Tunnels())
	set("none")
	eventually(t, "connections go past the proxies again", reaches)
	if after := len(p.Tunnels()); after != before {
		t.Errorf("%d tunnels more after the proxy was left", after-before)
	}
	open.stillEchoes(t)

	said := r.stderr.String() + r.must(t, "list") + r.must(t, "status", "-o", "json") + r.must(t, "logs")
	if !strings.Contains(said, dead) || strings.Contains(said, proxytest.Password) {
		t.Errorf("the password, or not the proxy, is in\n%s", said)
	}
}

func TestTheDoctorGoesThroughTheAPIProxy(t *testing.T) {
	kubeconfig, address := kubeconfigVia(t, "https://api.invalid", "http://"+proxytest.Trap(t))
	o := proxytest.Options{Login: true, Hosts: map[string]string{"api.invalid:443": address}}
	p := proxytest.HTTP(t, "https", o)
	authority := filepath.Join(t.TempDir(), "ca.crt")
	writeFile(t, authority, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Authority.Raw})))
	t.Setenv("SSL_CERT_FILE", authority) // the system's authorities, for Fairlead
	dead := proxytest.Dead(t)
	for name, test := range map[string]struct {
		via, steps, says string
		status           int
	}{
		"https": {p.URL().String(), "ok kubeconfig ok credentials ok API server ok rights ok name ok Service ok EndpointSlice ok Pod ok port",
			"api.invalid, through the proxy " + p.Address, 0},
		"wrong login": {"https://me:not-" + proxytest.Password + "@" + p.Address, "ok kubeconfig ok credentials BROKEN API server",
			"The proxy " + p.Address + " on the way to the API server api.invalid wants a login", 1},
		"dead": {"http://me:" + proxytest.Password + "@" + dead, "ok kubeconfig ok credentials BROKEN API server",
			"Nothing is listening at the address of the proxy " + dead + " on the way to the API server api.invalid. \n" +
				"It is the context's api-proxy in the settings.", 1},
	} {
		home := t.TempDir()
		writeFile(t, filepath.Join(home, "fairlead", "config.yaml"), "defaults:\n  api-proxy: "+test.via+"\n")
		steps, said, complaint, status := doctoredIn(t, home, kubeconfig, "demo", "hello")
		if strings.Join(steps, " ") != test.steps || status != test.status || strings.Contains(said+complaint, proxytest.Password) {
			t.Errorf("%s: exit %d, %q\n%s", name, status, complaint, said)
		}
		for _, sentence := range strings.Split(test.says, " \n") {
			if !strings.Contains(said, sentence) {
				t.Errorf("%s: %q is not in\n%s", name, sentence, said)
			}
		}
	}
	if len(p.Tunnels()) < 2 {
		t.Errorf("tunnels %q", p.Tunnels())
	}
}

func TestTheCheckReportsAWrongAPIProxy(t *testing.T) {
	r := &running{state: t.TempDir()}
	file := filepath.Join(r.state, "config", "fairlead", "config.yaml")
	writeFile(t, file, "kubeconfig: ["+cluster.Kubeconfig+"]\ncontexts:\n  demo:\n    api-proxy: http://me:"+proxytest.Password+"@:3128\n")
	got := r.ask(t, "settings", "check")
	if got.status != 1 || !strings.Contains(got.stderr, file+":4: the URL of the api-proxy names no host") || strings.Contains(got.stdout+got.stderr, proxytest.Password) {
		t.Errorf("%+v", got)
	}
	writeFile(t, file, "kubeconfig: ["+cluster.Kubeconfig+"]\ncontexts:\n  demo:\n    port: 1500\n    api-proxy: http://localhost:1500\n")
	if got := r.ask(t, "settings", "check"); got.status != 1 || !strings.Contains(got.stdout, "context demo: Its api-proxy in the settings is its own address") {
		t.Errorf("%+v", got)
	}
}
