package konnecttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A diagnosis is what `fairlead doctor -o json` prints.
type diagnosis struct {
	OK     bool
	Broken string
	Steps  []struct {
		Name, Detail, Sentence, Hint string
		OK                           bool
	}
}

// names returns the names of the steps.
func (d diagnosis) names() string {
	var names []string
	for _, s := range d.Steps {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

// A patient is a context whose connections a server makes, as the settings in a home directory say.
type patient struct {
	lab        *lab
	home       string
	context    string
	kubeconfig string
}

// patient writes the settings of a context, with the client certificate in certificates.
func (l *lab) patient(t *testing.T, mode, certificates string) *patient {
	t.Helper()
	p := &patient{lab: l, home: t.TempDir(), context: "demo", kubeconfig: l.cluster.Kubeconfig}
	server := fmt.Sprintf("server: %q", l.servers[mode].url)
	if mode != "socket" {
		server += fmt.Sprintf(", ca: %q, cert: %q, key: %q", filepath.Join(l.dir, "ca.crt"), filepath.Join(certificates, "client.crt"), filepath.Join(certificates, "client.key"))
	}
	if mode == "grpc" {
		server += ", mode: grpc"
	}
	text := fmt.Sprintf("defaults: {carrier: konnectivity, namespace: tunnel, konnectivity: {%s}}\n", server)
	path := filepath.Join(p.home, "fairlead", "config.yaml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// doctor runs the doctor, and returns its output and status.
func (p *patient) doctor(t *testing.T, args ...string) (out string, status int) {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"--kubeconfig", p.kubeconfig, "doctor", p.context}, args...)...)
	cmd.Env = environment(p.home)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	text, err := cmd.Output()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	if err == nil && complaint.Len() > 0 {
		t.Errorf("the doctor complained: %s", complaint.String())
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// expect compares a diagnosis with the names of its steps. The last one is broken if its sentence is not empty.
func (p *patient) expect(t *testing.T, target, steps, sentence string) diagnosis {
	t.Helper()
	args := strings.Fields(target)
	out, status := p.doctor(t, append(args, "-o", "json")...)
	var d diagnosis
	if err := json.Unmarshal([]byte(out), &d); err != nil || len(d.Steps) == 0 {
		t.Fatalf("%s: %v\n%s", target, err, out)
	}
	last := d.Steps[len(d.Steps)-1]
	broken := ""
	if sentence != "" {
		broken = last.Name
	}
	if d.names() != steps || d.Broken != broken || d.OK != (status == 0) || d.OK != (sentence == "") || !strings.Contains(last.Sentence, sentence) || last.OK != d.OK {
		t.Errorf("%s: exit %d, want %s, %q:\n%s", target, status, steps, sentence, out)
	}
	for _, s := range d.Steps {
		if s.Detail == "" {
			t.Errorf("%s: nothing is said of %s", target, s.Name)
		}
	}
	return d
}

const (
	toTunnel = "kubeconfig, credentials, API server, rights, Konnectivity"
	toName   = toTunnel + ", name, Service, EndpointSlice, Pod, port"
	toDNS    = "kubeconfig, credentials, API server, Konnectivity, name, DNS"
)

// doctor diagnoses a context whose connections a server makes: each step in turn is the one that is broken.
func doctor(t *testing.T, l *lab, mode string) {
	p := l.patient(t, mode, l.dir)
	t.Run("Healthy", func(t *testing.T) {
		p.expect(t, "", toTunnel, "")
		d := p.expect(t, "http://web.tunnel.svc/", toName, "")
		for i, want := range map[int]string{
			3: "get services, list endpointslices in namespace tunnel",
			4: "mode " + strings.Replace(mode, "socket", "http-connect", 1) + ", an agent of the cluster answers",
			9: "ClusterIP " + l.clusterIP(t, "tunnel", "web") + ":80 or port 8080 of Pod tunnel/web",
		} {
			if got := d.Steps[i].Detail; !strings.Contains(got, want) || strings.Contains(got, "port-forward") {
				t.Errorf("step %s: %q, want %q", d.Steps[i].Name, got, want)
			}
		}
		p.expect(t, "web.tunnel.pod:8080", toTunnel+", name, Pod, port", "")
		p.expect(t, outsideAddress+":80", "kubeconfig, credentials, API server, Konnectivity, name, outside", "")
		d = p.expect(t, "http://"+outsideName+"/", toDNS+", outside", "")
		if want := outsideName + ", asked of kube-dns.kube-system.svc:53: " + outsideAddress; d.Steps[5].Detail != want {
			t.Errorf("DNS: %q, want %q", d.Steps[5].Detail, want)
		}
	})
	t.Run("Text", func(t *testing.T) {
		if out, status := p.doctor(t, "web:80"); status != 0 || strings.Count(out, "ok  ") != 10 || !strings.Contains(out, "ok      Konnectivity ") {
			t.Errorf("exit %d\n%s", status, out)
		}
	})
	t.Run("NoRightToForward", func(t *testing.T) {
		reader := *p
		reader.context, reader.kubeconfig = "demo-reader", l.cluster.KubeconfigToken
		reader.expect(t, "-n team", toTunnel, "")
	})
	t.Run("Targets", func(t *testing.T) {
		p.expect(t, "refused:80", toName, "port 8080 in Pod tunnel/refused.")
		p.expect(t, "nobody.corp.example:80", toDNS, "The cluster's DNS knows no host nobody.corp.example.")
		p.expect(t, outsideName+":81", toDNS+", outside", outsideName)
	})
	if mode != "socket" {
		t.Run("WrongCertificate", func(t *testing.T) {
			others := t.TempDir()
			WriteCertificates(t, others)
			l.patient(t, mode, others).expect(t, "web:80", toTunnel, "wants a client certificate that it knows, and does not accept what it was given")
		})
	}
	t.Run("AgentAway", func(t *testing.T) {
		l.killAgent(t, mode)
		p.expect(t, "web:80", toTunnel, "No agent of the cluster is connected to the Konnectivity server")
		p.expect(t, outsideName+":80", "kubeconfig, credentials, API server, Konnectivity", "No agent of the cluster is connected to the Konnectivity server")
		l.startAgent(t, mode)
		p.expect(t, "web:80", toName, "")
	})
	t.Run("ServerAway", func(t *testing.T) {
		s := l.servers[mode]
		s.stop()
		p.expect(t, "", toTunnel, "Nothing is listening at the address of the Konnectivity server")
		s.start(t)
		l.await(t, "the agent of the restarted server", s.hasAgent)
		out, status := p.doctor(t, "web:80")
		if status != 0 {
			t.Errorf("with a restarted server: exit %d\n%s", status, out)
		}
	})
}
