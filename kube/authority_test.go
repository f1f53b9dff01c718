package kube

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A new certificate authority replaces the transport below the credentials, which stay.
func TestCredentialsOutliveACertificateAuthority(t *testing.T) {
	const secret = "hunter-of-me"
	for name, user := range users(t, secret) {
		server := newAPIServer(t)
		c := start(t, server.kubeconfig(t, user), &fakeCarrier{}, nil)
		if err := c.api.Trust([]byte(server.pem())); err != nil {
			t.Fatal(err)
		}
		header := make(chan http.Header, 10)
		server.misbehave(func(_ http.ResponseWriter, r *http.Request) bool { header <- r.Header; return false })
		if err := c.Check(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sent := fmt.Sprint(<-header)
		if !strings.Contains(sent, secret) && !strings.Contains(sent, base64.StdEncoding.EncodeToString([]byte("me:"+secret))) {
			t.Errorf("%s: sent %s", name, sent)
		}
	}
}
