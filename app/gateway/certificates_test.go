package gateway

import (
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/app/settings"
	"fairlead/build/proxytest"
)

// checked returns what is wrong with the files of the upstreams in a text of the settings, without the file's folder.
func checked(t *testing.T, text string) string {
	t.Helper()
	var lines []string
	read := outsideGateways(t, text).config.Settings
	for _, problem := range read.Check(func(r settings.Reference) error { return WrongUpstream(*r.Upstream, r.Part) }) {
		lines = append(lines, strings.ReplaceAll(problem.Error(), filepath.Dir(read.File())+"/", ""))
	}
	return strings.Join(lines, "\n")
}

func TestCertificatesThatCannotBeUsedAreNamedWithTheirLine(t *testing.T) {
	c, other := proxytest.NewCertificates(t), proxytest.NewCertificates(t)
	c.Issue(t, "expired", &x509.Certificate{NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour)})
	c.Issue(t, "future", &x509.Certificate{NotBefore: time.Now().Add(24 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour)})
	encrypt := func(name string, args ...string) string {
		t.Helper()
		file := c.File(name)
		if said, err := exec.CommandContext(t.Context(), "openssl", append(args, "-in", c.File("client.key"), "-out", file, "-passout", "pass:s3cret")...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		return file
	}
	modern, traditional := encrypt("modern.key", "pkcs8", "-topk8"), encrypt("traditional.key", "ec", "-aes128")
	none := filepath.Join(t.TempDir(), "none")
	for _, row := range []struct{ ca, cert, key, want string }{
		{c.File("ca.crt"), c.File("client.crt"), c.File("client.key"), ""},
		{c.File("ca.crt"), c.File("client.pem"), c.File("client.pem"), ""},
		{c.File("client.key"), c.File("client.crt"), c.File("client.key"), "config.yaml:4: upstream x: the authority of its certificate: " + c.File("client.key") + " has no certificate in PEM"},
		{none, c.File("client.crt"), c.File("client.key"), "config.yaml:4: upstream x: the authority of its certificate: open " + none + ": no such file"},
		{c.File("ca.crt"), c.File("expired.crt"), c.File("expired.key"), "config.yaml:5: upstream x: the client certificate: " + c.File("expired.crt") + " expired at 20"},
		{c.File("ca.crt"), c.File("future.crt"), c.File("future.key"), "config.yaml:5: upstream x: the client certificate: " + c.File("future.crt") + " is not valid before 20"},
		{c.File("ca.crt"), c.File("client.key"), c.File("client.key"), "config.yaml:5: upstream x: the client certificate: " + c.File("client.key") + " has no certificate in PEM"},
		{c.File("ca.crt"), c.File("client.crt"), other.File("client.key"), "config.yaml:6: upstream x: the key of the client certificate: " + other.File("client.key") + " does not fit " + c.File("client.crt")},
		{c.File("ca.crt"), c.File("client.crt"), modern, "config.yaml:6: upstream x: the key of the client certificate: " + modern + " is encrypted"},
		{c.File("ca.crt"), c.File("client.crt"), traditional, "config.yaml:6: upstream x: the key of the client certificate: " + traditional + " is encrypted"},
		{c.File("ca.crt"), c.File("client.crt"), c.File("ca.crt"), "config.yaml:6: upstream x: the key of the client certificate: " + c.File("ca.crt")},
	} {
		text := fmt.Sprintf("upstreams:\n  x:\n    url: https://127.0.0.1:1\n    ca: %s\n    cert: %s\n    key: %s\ndefaults: {outside: x}\n", row.ca, row.cert, row.key)
		got := checked(t, text)
		if !strings.HasPrefix(got, row.want) || (row.want == "") != (got == "") || strings.Contains(got, "\n") {
			t.Errorf("got  %s\nwant %s", got, row.want)
		}
		status, said := connect(t, served(t, outsideOf(t, text)), "db.corp.example:80")
		if want := map[bool]int{true: 502, false: 403}[row.want == ""]; status != want {
			t.Errorf("%s: through it, %d %s", row.want, status, said)
		}
	}
}

// A renewed certificate is used from the next connection on. While its files do not fit, the last ones that did are used.
func TestARenewedCertificateIsUsed(t *testing.T) {
	port := corpSite(t)
	c, stranger := proxytest.NewCertificates(t), proxytest.NewCertificates(t)
	guarded := proxytest.Stunnel(t, c, true, proxytest.Tinyproxy(t, corpHosts))
	own := t.TempDir()
	put := func(from proxytest.Certificates, names ...string) {
		t.Helper()
		for _, name := range names {
			text, err := os.ReadFile(from.File(name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(own, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(stranger, "client.crt", "client.key")
	g := outsideGateways(t, fmt.Sprintf("upstreams:\n  x: {url: \"https://%s\", ca: %q, cert: %q, key: %q}\ndefaults: {outside: x}\n",
		guarded.Address, c.File("ca.crt"), filepath.Join(own, "client.crt"), filepath.Join(own, "client.key")))
	try := func() (status int, said string) {
		t.Helper()
		return connect(t, served(t, g.Outside(g.config.Settings.Effective("demo"))), "db.corp.example:"+port)
	}
	if status, said := try(); status != 502 || !strings.Contains(said, "does not accept the client certificate") {
		t.Errorf("a stranger's: %d %s", status, said)
	}
	put(c, "client.crt", "client.key")
	if status, said := try(); status != 200 {
		t.Errorf("renewed: %d %s", status, said)
	}
	put(stranger, "client.crt") // and its key not yet
	if status, said := try(); status != 200 {
		t.Errorf("half renewed: %d %s", status, said)
	}
	put(stranger, "client.key")
	if status, _ := try(); status != 502 {
		t.Errorf("a stranger's again: %d", status)
	}
}
