package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/kube/fault"
)

// Not every provider accepts every kind of client authentication.
func TestTheKindOfClientAuthenticationIsFound(t *testing.T) {
	for _, wanted := range []string{"basic", "post"} {
		server, provider := newAPIServer(t), newIdentityProvider(t, true)
		server.add("team", "web", "web-1")
		provider.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet {
				return false
			}
			id, secret, basic := r.BasicAuth()
			if !basic {
				id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
			}
			if id == "fairlead" && secret == "s3cret" && basic == (wanted == "basic") && r.PostForm.Get("grant_type") == "refresh_token" && r.PostForm.Get("refresh_token") == "hunter2" {
				return false
			}
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error": "invalid_client"}`)
			return true
		}
		c := start(t, server.kubeconfig(t, provider.user(anHourAgo())), &fakeCarrier{}, nil)
		if err := dial(t, c, "web:80"); err != nil {
			t.Errorf("%s: %v", wanted, err)
		}
	}
}

// silent returns the address of a listener that accepts connections and sends nothing, and a function that returns how many
// it has accepted.
func silent(t *testing.T) (address string, accepted func() int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		for _, conn := range conns {
			conn.Close()
		}
	})
	return l.Addr().String(), func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(conns)
	}
}

func providerFault(err error) *fault.Login {
	login, ok := errors.AsType[*fault.Login](err)
	if !ok || login.Provider == "" {
		return nil
	}
	return login
}

func TestASilentIdentityProviderIsWaitedForTenSecondsAtMost(t *testing.T) {
	server := newAPIServer(t)
	address, _ := silent(t)
	c := start(t, server.kubeconfig(t, oidcUser("http://"+address, anHourAgo(), "")), &fakeCarrier{}, nil)
	hurry, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := c.DialContext(hurry, "tcp", "web:80"); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 3*time.Second {
		t.Errorf("a client in a hurry: %v after %v", err, time.Since(begin))
	}
	err := dial(t, c, "web:80")
	if login := providerFault(err); login == nil || login.Cause != fault.ProviderSilent || login.Context != "test" || time.Since(begin) > 15*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
	begin = time.Now()
	if err := dial(t, c, "web:80"); providerFault(err) == nil || time.Since(begin) > time.Second {
		t.Errorf("the next: %v after %v", err, time.Since(begin))
	}
}

func TestASilentIdentityProviderIsNotWaitedForAtTheEnd(t *testing.T) {
	server := newAPIServer(t)
	address, accepted := silent(t)
	c, err := Open(Config{Kubeconfig: server.kubeconfig(t, oidcUser("http://"+address, anHourAgo(), "")), Context: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	failed := make(chan error, 1)
	go func() { failed <- c.Check(context.Background()) }()
	waitFor(t, "the renewal to begin", func() bool { return accepted() > 0 })
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Run waits for the provider")
	}
	if err := <-failed; err == nil {
		t.Error("a check has no error")
	}
}

func TestAnEndlessAnswerOfAnIdentityProviderIsNotRead(t *testing.T) {
	for _, where := range []string{http.MethodGet, http.MethodPost} {
		server, provider := newAPIServer(t), newIdentityProvider(t, false)
		var sent atomic.Int64
		provider.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != where {
				return false
			}
			fill := make([]byte, 64<<10)
			for i := range fill {
				fill[i] = ' '
			}
			for sent.Load() < 256<<20 {
				n, err := w.Write(fill)
				if err != nil {
					break
				}
				sent.Add(int64(n))
			}
			return true
		}
		c := start(t, server.kubeconfig(t, provider.user(anHourAgo())), &fakeCarrier{}, nil)
		err := dial(t, c, "web:80")
		if login := providerFault(err); login == nil || login.Cause != fault.ProviderAnswer || !strings.Contains(login.Err.Error(), "larger") {
			t.Errorf("%s: %v", where, err)
		}
		if n := sent.Load(); n > 32<<20 { // with what fits into socket buffers
			t.Errorf("%s: %d MiB were taken", where, n>>20)
		}
	}
}

func TestAHeadOfAnIdentityProviderIsBounded(t *testing.T) {
	server, provider := newAPIServer(t), newIdentityProvider(t, false)
	provider.answer = func(w http.ResponseWriter, r *http.Request) bool {
		for i := range 20_000 {
			w.Header().Set(fmt.Sprintf("a%d", i), "")
		}
		return false
	}
	c := start(t, server.kubeconfig(t, provider.user(anHourAgo())), &fakeCarrier{}, nil)
	err := dial(t, c, "web:80")
	if login := providerFault(err); login == nil || login.Cause != fault.ProviderAnswer || provider.refreshes.Load() > 0 {
		t.Errorf("%v", err)
	}
}

// A refresh token is like a password: it is sent only to the server in the kubeconfig, or the one that this server names.
func TestNoSecretFollowsAnIdentityProvidersRedirect(t *testing.T) {
	var stolen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stolen.Add(1)
		fmt.Fprintf(w, `{"id_token": %q}`, idToken("thief", time.Now().Add(time.Hour)))
	}))
	t.Cleanup(thief.Close)
	redirect := func(method string, status int) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != method {
				return false
			}
			http.Redirect(w, r, thief.URL+"/stolen", status)
			return true
		}
	}
	for name, test := range map[string]struct {
		tls    bool
		answer func(w http.ResponseWriter, r *http.Request) bool
	}{
		"token endpoint":                     {false, redirect(http.MethodPost, http.StatusTemporaryRedirect)},
		"token endpoint, permanently":        {false, redirect(http.MethodPost, http.StatusPermanentRedirect)},
		"token endpoint, see other":          {false, redirect(http.MethodPost, http.StatusSeeOther)},
		"token endpoint, from https to http": {true, redirect(http.MethodPost, http.StatusTemporaryRedirect)},
		"configuration":                      {true, redirect(http.MethodGet, http.StatusFound)},
		"an endpoint that is not encrypted": {true, func(w http.ResponseWriter, r *http.Request) bool {
			fmt.Fprintf(w, `{"issuer": "https://%s", "token_endpoint": %q}`, r.Host, thief.URL)
			return true
		}},
		"another issuer": {true, func(w http.ResponseWriter, r *http.Request) bool {
			fmt.Fprintf(w, `{"issuer": "https://id.example", "token_endpoint": %q}`, thief.URL)
			return true
		}},
	} {
		t.Run(name, func(t *testing.T) {
			server, provider := newAPIServer(t), newIdentityProvider(t, test.tls)
			provider.answer = test.answer
			c := start(t, server.kubeconfig(t, provider.user(anHourAgo())), &fakeCarrier{}, nil)
			err := dial(t, c, "web:80")
			if login := providerFault(err); login == nil || login.Provider != provider.Listener.Addr().String() {
				t.Errorf("%v", err)
			}
			if n := stolen.Swap(0); n != 0 {
				t.Errorf("another server was sent %d requests", n)
			}
			if len(server.requests()) > 0 {
				t.Errorf("the API server was asked %q", server.requests())
			}
		})
	}
}

func TestAFailingIdentityProviderIsNotAskedForEveryDial(t *testing.T) {
	server, provider := newAPIServer(t), newIdentityProvider(t, false)
	provider.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			return false
		}
		// A secret that the provider repeats does not reach the error.
		http.Error(w, "cannot log "+r.PostForm.Encode()+r.Header.Get("Authorization"), http.StatusInternalServerError)
		return true
	}
	c := start(t, server.kubeconfig(t, provider.user(anHourAgo())), &fakeCarrier{}, nil)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			err := dial(t, c, fmt.Sprintf("web-%d:80", i))
			if login := providerFault(err); login == nil || login.Cause != fault.ProviderAnswer {
				t.Errorf("%v", err)
			} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("secret in %v", err)
			}
		})
	}
	wg.Wait()
	// One renewal, or two if the machine is so slow that the pause is over before the last dial.
	if n := provider.discoveries.Load() + provider.refreshes.Load(); n > 4 {
		t.Errorf("the provider got %d requests for 32 dials", n)
	}
}

func TestALoginThatHasEndedIsReported(t *testing.T) {
	for code, cause := range map[string]fault.LoginCause{
		"invalid_grant": fault.ProviderRefused, "invalid_client": fault.ProviderClient, "hunter2": fault.ProviderRefused,
	} {
		server, provider := newAPIServer(t), newIdentityProvider(t, true)
		provider.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet {
				return false
			}
			w.WriteHeader(http.StatusBadRequest)
			said := code
			if !strings.HasPrefix(r.Header.Get("Authorization"), "Basic ") {
				said = "invalid_client" // it accepts one kind of client authentication
			}
			fmt.Fprintf(w, `{"error": %q, "error_description": "no %s for you"}`, said, r.PostForm.Get("refresh_token"))
			return true
		}
		c := start(t, server.kubeconfig(t, provider.user(anHourAgo())), &fakeCarrier{}, nil)
		err := dial(t, c, "web:80")
		if login := providerFault(err); login == nil || login.Cause != cause || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// The environment's proxy is used for the provider, as kubectl uses it. Its failure is not the provider's.
func TestAnIdentityProviderIsReachedThroughTheEnvironmentsProxy(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	for name, test := range map[string]struct {
		issuer string
		want   string
	}{
		"refusing":       {"https://id.example", "the proxy on the way to it did not connect"},
		"without a name": {"https://127.0.0.1:1", "it refused the connection"}, // NO_PROXY covers loopback addresses
	} {
		var asked atomic.Int64
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			http.Error(w, "no", http.StatusForbidden)
		}))
		t.Cleanup(proxy.Close)
		t.Setenv("HTTPS_PROXY", proxy.URL)
		c := start(t, server.kubeconfig(t, oidcUser(test.issuer, anHourAgo(), "")), &fakeCarrier{}, nil)
		err := dial(t, c, "web:80")
		if login := providerFault(err); login == nil || login.Cause != fault.ProviderUnreachable || login.Err.Error() != test.want {
			t.Errorf("%s: %v", name, err)
		}
		if through := asked.Load() > 0; through != (name == "refusing") {
			t.Errorf("%s: the proxy was asked %d times", name, asked.Load())
		}
	}
}

func TestRedirectsWithinAnIdentityProviderAreFollowed(t *testing.T) {
	server, provider := newAPIServer(t), newIdentityProvider(t, true)
	provider.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/moved") {
			return r.Method == http.MethodPost && r.PostForm.Get("refresh_token") != "hunter2"
		}
		http.Redirect(w, r, "/moved"+r.URL.Path, http.StatusTemporaryRedirect)
		return true
	}
	c := start(t, server.kubeconfig(t, provider.user(anHourAgo())), &fakeCarrier{}, nil)
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
	// But not forever.
	circle := newIdentityProvider(t, true)
	circle.answer = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		return true
	}
	c = start(t, server.kubeconfig(t, circle.user(anHourAgo())), &fakeCarrier{}, nil)
	if err := c.Check(t.Context()); providerFault(err) == nil || circle.discoveries.Load() > 10 {
		t.Errorf("%v after %d requests", err, circle.discoveries.Load())
	}
}
