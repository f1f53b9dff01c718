package kube

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"fairlead/kube/fault"
)

// users returns user entries with each kind of credentials that is sent in a header. All contain the secret.
func users(t *testing.T, secret string) map[string]string {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	credential := fmt.Sprintf(`{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"%s\"}}`, secret)
	return map[string]string{
		"token":         fmt.Sprintf("{token: %q}", secret),
		"token file":    fmt.Sprintf("{tokenFile: %q}", file),
		"plugin":        fmt.Sprintf(`{exec: {apiVersion: client.authentication.k8s.io/v1, command: echo, args: ["%s"], interactiveMode: Never}}`, credential),
		"password":      fmt.Sprintf("{username: me, password: %q}", secret),
		"impersonation": fmt.Sprintf(`{token: other-token, as: someone, as-user-extra: {scopes: [%q]}}`, secret),
	}
}

// A proxy on the way may repeat the request's headers in its error page, as a Status or in another form.
func TestAnAnswerThatRepeatsTheRequestLeaksNoCredentials(t *testing.T) {
	const secret = "hunter-of-me"
	pair := base64.StdEncoding.EncodeToString([]byte("me:" + secret))
	for name, user := range users(t, secret) {
		for kind, write := range map[string]func(w http.ResponseWriter, head string){
			"message": func(w http.ResponseWriter, head string) { fail(w, http.StatusForbidden, "Forbidden", "you sent "+head) },
			"reason":  func(w http.ResponseWriter, head string) { fail(w, http.StatusInternalServerError, head, "no") },
			"no head": func(w http.ResponseWriter, head string) {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					return
				}
				defer conn.Close() // the end
				line := strings.NewReplacer("\r\n", " ", ":", "").Replace(head)
				_, _ = io.WriteString(conn, "HTTP/1.1 500 no\r\n"+line+"\r\n\r\n") // seen by the client
			},
		} {
			server := newAPIServer(t)
			var sent atomic.Bool
			server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
				head, err := httputil.DumpRequest(r, false)
				if err == nil && (strings.Contains(string(head), secret) || strings.Contains(string(head), pair)) {
					sent.Store(true)
				}
				write(w, string(head))
				return true
			})
			c := start(t, server.kubeconfig(t, user), &fakeCarrier{}, nil)
			err := c.Check(t.Context())
			text := fmt.Sprint(err)
			if forbidden, ok := errors.AsType[*fault.Forbidden](err); ok {
				text += forbidden.Text
			}
			if !sent.Load() || err == nil {
				t.Errorf("%s, %s: sent %t, %v", name, kind, sent.Load(), err)
			}
			if strings.Contains(text, secret) || strings.Contains(text, pair) {
				t.Errorf("%s, %s: %s", name, kind, text)
			}
		}
	}
}
