package portforward

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"testing"

	"fairlead/build/testoutput"

	"github.com/rs/zerolog"
	"k8s.io/client-go/rest"
)

// Middleboxes show requests in their error pages, with the credentials in them.
func TestAnAnswerThatRepeatsTheRequestShowsNoCredentials(t *testing.T) {
	const password, extra = "pass-of-me", "scope-of-me"
	pair := base64.StdEncoding.EncodeToString([]byte("me:" + password))
	secrets := []string{"secret-token", password, extra, pair}
	login := map[string]func(*rest.Config){
		"token": func(*rest.Config) {},
		"basic": func(c *rest.Config) { c.BearerToken, c.Username, c.Password = "", "me", password },
		"impersonation": func(c *rest.Config) {
			c.Impersonate = rest.ImpersonationConfig{UserName: "other", Extra: map[string][]string{"scopes": {extra}}}
		},
	}
	answer := map[string]func(rw http.ResponseWriter, head string){
		"500 in text": func(rw http.ResponseWriter, head string) { http.Error(rw, "your request was: "+head, 500) },
		"400 in text": func(rw http.ResponseWriter, head string) { http.Error(rw, "your request was: "+head, 400) },
		"502 in text": func(rw http.ResponseWriter, head string) {
			http.Error(rw, "your request was: "+head, http.StatusBadGateway)
		},
		"a Status": func(rw http.ResponseWriter, head string) {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(403)
			_, _ = io.WriteString(rw, statusBody(403, "your request was: "+head))
		},
		"a node": func(rw http.ResponseWriter, head string) {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(404)
			_, _ = fmt.Fprintf(rw, `{"kind":"Status","message":"no","code":404,"details":{"kind":"nodes","name":%q}}`, head)
		},
		"a redirect": func(rw http.ResponseWriter, head string) {
			_, token, _ := strings.Cut(head, "Authorization: ")
			token, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimPrefix(token, "Bearer "), "Basic "), "\r")
			rw.Header().Set("Location", "https://"+token+"/")
			rw.WriteHeader(302)
		},
		"another protocol": func(rw http.ResponseWriter, head string) {
			rw.Header().Set("Upgrade", strings.ReplaceAll(head, "\r\n", " "))
			rw.Header().Set("Connection", "Upgrade")
			rw.WriteHeader(http.StatusSwitchingProtocols)
		},
		"a head that is none": func(rw http.ResponseWriter, head string) {
			conn, _, err := rw.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			_, field, _ := strings.Cut(head, "Authorization: ")
			field, _, _ = strings.Cut(field, "\r")
			_, _ = io.WriteString(conn, "HTTP/1.1 500 no\r\nAuthorization is "+field+"\r\n\r\n")
		},
	}
	for name, change := range login {
		for kind, write := range answer {
			t.Run(name+", "+kind, func(t *testing.T) {
				w := newWorld(t)
				var asked atomic.Bool
				refuse := func(rw http.ResponseWriter, r *http.Request) bool {
					head, err := httputil.DumpRequest(r, false)
					asked.Store(err == nil)
					write(rw, string(head))
					return true
				}
				w.refuse.Store(&refuse)
				var log testoutput.Buffer
				f := w.forwarder(func(c *Config) { change(c.REST); c.Log = zerolog.New(&log) })
				_, err := dial(t, f, at(7))
				if err == nil || !asked.Load() {
					t.Fatalf("%v, asked: %v", err, asked.Load())
				}
				told := log.String() + fmt.Sprintf(" %v %#v", err, err)
				for _, secret := range secrets {
					if strings.Contains(told, secret) {
						t.Errorf("%q is shown: %s", secret, told)
					}
				}
			})
		}
	}
}

// What a runtime writes is logged, too.
func TestWhatARuntimeWritesShowsNoCredentials(t *testing.T) {
	w := newWorld(t)
	w.fail(5, errors.New("your request had Authorization: Bearer secret-token"))
	_, err := dial(t, w.forwarder(patient), at(5))
	if err == nil || !strings.Contains(err.Error(), "your request had") || containsToken(err.Error()) {
		t.Errorf("%v", err)
	}
}
