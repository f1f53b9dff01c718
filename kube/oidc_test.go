package kube

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"fairlead/kube/fault"
	"fairlead/kube/kubeconfig"
)

// idToken returns a token as a provider issues it, as far as clients look at it.
func idToken(subject string, expires time.Time) string {
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return part(map[string]string{"alg": "none"}) + "." + part(map[string]any{"sub": subject, "exp": expires.Unix()}) + ".c2ln"
}

// An identityProvider renews tokens, and may misbehave. It records its requests.
type identityProvider struct {
	*httptest.Server
	discoveries, refreshes atomic.Int64
	constant               bool // it does not replace refresh tokens

	mu     sync.Mutex
	forms  []url.Values
	token  string // the next ID token
	answer func(w http.ResponseWriter, r *http.Request) bool
}

func newIdentityProvider(t *testing.T, tls bool) *identityProvider {
	p := &identityProvider{token: idToken("fresh", time.Now().Add(time.Hour))}
	if tls {
		p.Server = httptest.NewTLSServer(p)
	} else {
		p.Server = httptest.NewServer(p)
	}
	t.Cleanup(p.Close)
	return p
}

func (p *identityProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	discovery := r.Method == http.MethodGet
	if discovery {
		p.discoveries.Add(1)
	} else {
		p.refreshes.Add(1)
	}
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	if !discovery {
		p.forms = append(p.forms, r.PostForm)
	}
	answer, token, n := p.answer, p.token, len(p.forms)
	p.mu.Unlock()
	if answer != nil && answer(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if discovery {
		fmt.Fprintf(w, `{"issuer": %q, "token_endpoint": %q}`, p.URL, p.URL+"/token")
		return
	}
	if p.constant {
		fmt.Fprintf(w, `{"access_token": "a", "token_type": "Bearer", "id_token": %q}`, token)
		return
	}
	fmt.Fprintf(w, `{"access_token": "a", "token_type": "Bearer", "id_token": %q, "refresh_token": "rotated-%d"}`, token, n)
}

// user returns a user entry that logs in by the provider, with an ID token.
func (p *identityProvider) user(id string) string {
	authority := ""
	if certificate := p.Certificate(); certificate != nil {
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
		authority = fmt.Sprintf(", idp-certificate-authority-data: %q", base64.StdEncoding.EncodeToString(block))
	}
	return oidcUser(p.URL, id, authority)
}

func oidcUser(issuer, id, more string) string {
	return fmt.Sprintf(`{auth-provider: {name: oidc, config: {idp-issuer-url: %q, client-id: fairlead, client-secret: s3cret, refresh-token: hunter2, id-token: %q%s}}}`, issuer, id, more)
}

func anHourAgo() string { return idToken("old", time.Now().Add(-time.Hour)) }

// settingsIn returns the auth-provider's settings in a kubeconfig.
func settingsIn(t *testing.T, kubeconfig string) map[string]string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		if user.AuthProvider != nil {
			return user.AuthProvider.Config
		}
	}
	t.Fatal("no auth-provider")
	return nil
}

// tokensSeen makes an API server collect the tokens that it gets, and returns a function that returns them.
func tokensSeen(server *apiServer) func() map[string]bool {
	var mu sync.Mutex
	seen := map[string]bool{}
	server.misbehave(func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		seen[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")] = true
		return false
	})
	return func() map[string]bool {
		mu.Lock()
		defer mu.Unlock()
		all := map[string]bool{}
		for token := range seen {
			all[token] = true
		}
		return all
	}
}

func TestAnIDTokenIsUsedUntilItExpires(t *testing.T) {
	server, provider := newAPIServer(t), newIdentityProvider(t, true)
	server.add("team", "web", "web-1")
	seen := tokensSeen(server)
	token := idToken("good", time.Now().Add(time.Hour))
	c := start(t, server.kubeconfig(t, provider.user(token)), &fakeCarrier{}, nil)
	if err := dial(t, c, "web:80"); err != nil {
		t.Fatal(err)
	}
	if n := provider.discoveries.Load() + provider.refreshes.Load(); n != 0 {
		t.Errorf("the provider was asked %d times", n)
	}
	if all := seen(); len(all) != 1 || !all[token] {
		t.Errorf("tokens %v", all)
	}
}

func TestAnExpiredIDTokenIsRenewedOnceForAll(t *testing.T) {
	server, provider := newAPIServer(t), newIdentityProvider(t, true)
	for i := range 20 {
		server.add("team", fmt.Sprintf("web-%d", i), fmt.Sprintf("pod-%d", i))
	}
	seen := tokensSeen(server)
	kubeconfig := server.kubeconfig(t, provider.user(anHourAgo()))
	c := start(t, kubeconfig, &fakeCarrier{}, nil)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := dial(t, c, fmt.Sprintf("web-%d:80", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if d, r := provider.discoveries.Load(), provider.refreshes.Load(); d != 1 || r != 1 {
		t.Errorf("%d discoveries and %d renewals", d, r)
	}
	if all := seen(); len(all) != 1 || !all[provider.token] {
		t.Errorf("tokens %v", all)
	}
	// A refresh token can be used once, so kubectl, and this program after a restart, must find the next one.
	waitFor(t, "the tokens to be in the kubeconfig", func() bool {
		settings := settingsIn(t, kubeconfig)
		return settings["refresh-token"] == "rotated-1" && settings["id-token"] == provider.token && settings["client-id"] == "fairlead"
	})
	if info, err := os.Stat(kubeconfig); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// Work that no client waits for asks no provider, such as a browser that fetches its settings, or the menu.
func TestRangesAskNoIdentityProvider(t *testing.T) {
	server, provider := newAPIServer(t), newIdentityProvider(t, true)
	kubeconfig := server.kubeconfig(t, provider.user(anHourAgo()))
	c := start(t, kubeconfig, &fakeCarrier{}, nil)
	c.Ranges(t.Context())
	if n := provider.discoveries.Load(); n != 0 || c.LoggedIn() || len(server.requests()) > 0 {
		t.Errorf("without a login: the provider was asked %d times, logged in %t, the API server was asked %q", n, c.LoggedIn(), server.requests())
	}
	if err := c.LogIn(t.Context()); err != nil || !c.LoggedIn() || provider.refreshes.Load() != 1 {
		t.Errorf("LogIn: %v, logged in %t, %d renewals", err, c.LoggedIn(), provider.refreshes.Load())
	}
	// A login that the user asks for renews a token that has not expired, by the latest refresh token.
	if err := c.LogIn(t.Context()); err != nil || provider.refreshes.Load() != 2 {
		t.Errorf("LogIn: %v, %d renewals", err, provider.refreshes.Load())
	}
	if err := c.Check(t.Context()); err != nil || provider.refreshes.Load() != 2 {
		t.Errorf("Check: %v, %d renewals", err, provider.refreshes.Load())
	}
	provider.mu.Lock()
	defer provider.mu.Unlock()
	if first, second := provider.forms[0].Get("refresh_token"), provider.forms[1].Get("refresh_token"); first != "hunter2" || second != "rotated-1" {
		t.Errorf("renewed by %s and %s", first, second)
	}
}

// kubectl may have used the refresh token meanwhile, and stored another one.
func TestTokensThatAnotherProgramRenewedAreUsed(t *testing.T) {
	server, provider := newAPIServer(t), newIdentityProvider(t, true)
	server.add("team", "web", "web-1")
	seen := tokensSeen(server)
	kubeconfig := server.kubeconfig(t, provider.user(anHourAgo()))
	c := start(t, kubeconfig, &fakeCarrier{}, nil)
	token := idToken("kubectl", time.Now().Add(time.Hour))
	data, err := os.ReadFile(server.kubeconfig(t, provider.user(token)))
	if err == nil {
		err = os.WriteFile(kubeconfig, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := dial(t, c, "web:80"); err != nil {
		t.Fatal(err)
	}
	if all := seen(); len(all) != 1 || !all[token] || provider.discoveries.Load() != 0 {
		t.Errorf("tokens %v, %d requests to the provider", all, provider.discoveries.Load())
	}
}

// A new refresh token is kept even if the rest of the answer is invalid, or the kubeconfig cannot be written.
func TestARotatedRefreshTokenIsNotLost(t *testing.T) {
	server, provider := newAPIServer(t), newIdentityProvider(t, true)
	server.add("team", "web", "web-1")
	provider.token = ""
	kubeconfig := server.kubeconfig(t, provider.user(anHourAgo()))
	lock := kubeconfig + ".lock" // as kubectl leaves it if it is killed
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, kubeconfig, &fakeCarrier{}, nil)
	if err := dial(t, c, "web:80"); providerFault(err) == nil {
		t.Errorf("without an ID token: %v", err)
	}
	provider.mu.Lock()
	provider.token = idToken("fresh", time.Now().Add(time.Hour))
	provider.mu.Unlock()
	if err := c.LogIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if first, second := provider.forms[0].Get("refresh_token"), provider.forms[1].Get("refresh_token"); first != "hunter2" || second != "rotated-1" {
		t.Errorf("renewed by %s and %s", first, second)
	}
	if got := settingsIn(t, kubeconfig)["refresh-token"]; got != "hunter2" {
		t.Errorf("%s was written over another program's lock", got)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	if err := c.LogIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the tokens to be in the kubeconfig", func() bool { return settingsIn(t, kubeconfig)["refresh-token"] == "rotated-3" })
}

// This machine's clock may be wrong, so the API server decides whether a token has expired.
func TestATokenThatExpiredByThisClockIsTried(t *testing.T) {
	server, provider := newAPIServer(t), newIdentityProvider(t, true)
	server.add("team", "web", "web-1")
	server.add("team", "db", "db-1")
	provider.token = anHourAgo() + "bmV3"
	c := start(t, server.kubeconfig(t, provider.user(anHourAgo())), &fakeCarrier{}, nil)
	if err := errors.Join(dial(t, c, "web:80"), dial(t, c, "db:80")); err != nil {
		t.Error(err)
	}
	if n := provider.refreshes.Load(); n != 1 {
		t.Errorf("%d renewals", n)
	}
	// Once it refuses the token, the provider is asked once, and then not again.
	server.misbehave(func(w http.ResponseWriter, _ *http.Request) bool {
		fail(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
		return true
	})
	for i := range 10 {
		if err := dial(t, c, fmt.Sprintf("other-%d:80", i)); !errors.As(err, new(*fault.Login)) {
			t.Errorf("%v", err)
		}
	}
	if n := provider.refreshes.Load(); n > 4 {
		t.Errorf("%d renewals", n)
	}
}

func TestAnExpiredLoginWithoutARefreshToken(t *testing.T) {
	server, provider := newAPIServer(t), newIdentityProvider(t, true)
	user := strings.Replace(provider.user(anHourAgo()), "refresh-token: hunter2, ", "", 1)
	c := start(t, server.kubeconfig(t, user), &fakeCarrier{}, nil)
	var login *fault.Login
	if err := dial(t, c, "web:80"); !errors.As(err, &login) || login.Cause != fault.LoginRenewal || login.Context != "test" {
		t.Errorf("%v", err)
	}
	if n := provider.discoveries.Load(); n != 0 {
		t.Errorf("the provider was asked %d times", n)
	}
}

// A provider may return the same tokens again while they are valid.
func TestALoginThatIsStillTheSameIsRenewedOnce(t *testing.T) {
	server, provider := newAPIServer(t), newIdentityProvider(t, true)
	provider.constant = true
	c := start(t, server.kubeconfig(t, provider.user(provider.token)), &fakeCarrier{}, nil)
	if err := errors.Join(c.Check(t.Context()), c.LogIn(t.Context()), c.Check(t.Context()), c.Check(t.Context())); err != nil || provider.refreshes.Load() != 1 {
		t.Errorf("%v, %d renewals", err, provider.refreshes.Load())
	}
}

// A kubeconfig that was read before a renewal does not restore a token that has been replaced.
func TestContextsOfOneUserShareItsTokens(t *testing.T) {
	server, provider := newAPIServer(t), newIdentityProvider(t, true)
	seen := tokensSeen(server)
	path := server.kubeconfig(t, provider.user(anHourAgo()))
	before := kubeconfig.Load(path)
	first := start(t, path, &fakeCarrier{}, nil)
	if err := first.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, err := Open(Config{Loaded: &before, Context: "test"})
	if err != nil {
		t.Fatal(err)
	}
	run(t, second)
	if err := errors.Join(second.Check(t.Context()), first.Check(t.Context())); err != nil {
		t.Error(err)
	}
	if all := seen(); len(all) != 1 || !all[provider.token] || provider.refreshes.Load() != 1 {
		t.Errorf("tokens %v, %d renewals", all, provider.refreshes.Load())
	}
}
