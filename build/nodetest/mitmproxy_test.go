//go:build node

package nodetest

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/build/clustertest"
)

// pageServer is the environment variable that makes the test program serve farPage over TLS at farAddress, with the
// certificate and the key of the file that it names.
const pageServer = "NODETEST_PAGE"

// farLogin is what the Pod of mitmproxy wants from its clients.
const farLogin = "me:open-sesame"

// servePage serves farPage over TLS.
func servePage(file string) error {
	return http.ListenAndServeTLS(net.JoinHostPort(farAddress, "8443"), file, file, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(farPage)) // the client sees what is missing
	}))
}

// farTLS serves farPage over TLS as farName, until the test ends.
func farTLS(t *testing.T, c *clustertest.Cluster, file string) {
	t.Helper()
	startSelf(t, c, pageServer+"="+file)
	awaitFar(t, c, "https://"+farAddress+":8443/")
}

// mitmproxyAuthority returns the file with the authority that the Pod of mitmproxy made for itself.
func mitmproxyAuthority(t *testing.T, c *clustertest.Cluster) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mitmproxy.crt")
	text := kubectl(t, c, "exec", "mitmproxy", "--", "/usr/bin/cat", "/tmp/mitmproxy-ca-cert.pem")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// testDecrypted asks for a page over TLS through mitmproxy: the client trusts mitmproxy's authority alone, and so gets the
// page only if mitmproxy decrypts it; mitmproxy trusts only the far host's.
func testDecrypted(t *testing.T, p *product, authority, farAuthority string) {
	t.Helper()
	const far = "https://" + farName + ":8443/"
	for _, scheme := range []string{"http", "socks5h"} {
		if got := page(t, scheme+"://"+p.address, far, "--cacert", authority); got != farPage {
			t.Errorf("TLS by %s: %s", scheme, got)
		}
		if got := page(t, scheme+"://"+p.address, far, "--cacert", farAuthority); !strings.Contains(got, "curl: (60)") {
			t.Errorf("TLS by %s, for a client that does not know mitmproxy: %s", scheme, got)
		}
	}
}

// testRefused asks for a host that mitmproxy does not lead to. A client of plain HTTP must get a page with the text says;
// the page is mitmproxy's own if it is about the host.
func testRefused(t *testing.T, p *product, host, socks, says string) {
	t.Helper()
	if got := page(t, "http://"+p.address, "https://"+host+"/"); !strings.Contains(got, "CONNECT tunnel failed, response 502") {
		t.Errorf("CONNECT: %s", got)
	}
	if got := page(t, "socks5h://"+p.address, "https://"+host+"/"); !strings.Contains(got, "("+socks+")") {
		t.Errorf("SOCKS5, want reply %s: %s", socks, got)
	}
	if got := page(t, "http://"+p.address, "http://"+host+"/"); !strings.Contains(got, says) {
		t.Errorf("plain HTTP, want %q: %s", says, got)
	}
}
