package pac_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"fairlead/proxy/pac"
)

func get(t *testing.T, handler http.Handler, path string) (*http.Response, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1080"+path, nil))
	response := recorder.Result()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestPageSaysHowTheProxyIsUsed(t *testing.T) {
	asked := 0
	pages := pac.NewPages(pac.PagesConfig{Context: "prod", Script: func(context.Context) pac.Config { asked++; return pac.Config{} }})
	response, body := get(t, pages, "/")
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%+v", response)
	}
	for _, part := range []string{"prod", "socks5h://127.0.0.1:1080", "http://127.0.0.1:1080/proxy.pac", "curl --proxy socks5h://127.0.0.1:1080 "} {
		if !strings.Contains(body, part) {
			t.Errorf("no %q in %s", part, body)
		}
	}
	if strings.Contains(body, "password") || strings.Contains(body, "certificate") {
		t.Errorf("the page asks for a password: %s", body)
	}
	if _, body = get(t, pages, "/proxy.pac"); body != pac.Script(pac.Config{Address: "127.0.0.1:1080"}) || asked != 2 {
		t.Errorf("Script was called %d times: %.200s", asked, body)
	}
	if response, _ = get(t, pages, "/other"); response.StatusCode != 404 {
		t.Errorf("/other: %d", response.StatusCode)
	}
}

func TestPageSaysWhatTheProxyNeeds(t *testing.T) {
	config := pac.Config{Address: "127.0.0.1:9", Password: true, TLS: true}
	_, body := get(t, pac.NewPages(pac.PagesConfig{Context: "prod", Script: func(context.Context) pac.Config { return config }}), "/")
	if !strings.Contains(body, "password") || !strings.Contains(body, "certificate") || !strings.Contains(body, "https://127.0.0.1:9") || strings.Contains(body, "socks5h") {
		t.Error(body)
	}
}

func TestPageIsSafeWithAHostileName(t *testing.T) {
	const hostile = `"><script src=//evil.example></script><img onerror=x>&amp;` + "\u202e"
	_, body := get(t, pac.NewPages(pac.PagesConfig{Context: hostile, Hint: hostile}), "/")
	document, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for node := range document.Descendants() {
		if node.Data == "script" || node.Data == "img" || node.Data == "link" {
			t.Errorf("the page has a %s", node.Data)
		}
		for _, attribute := range node.Attr {
			if attribute.Key == "src" || attribute.Key == "href" && attribute.Val != "/proxy.pac" || strings.HasPrefix(attribute.Key, "on") {
				t.Errorf("the page has %s=%q", attribute.Key, attribute.Val)
			}
		}
	}
	if !strings.Contains(body, "&lt;script src=//evil.example&gt;") {
		t.Error(body)
	}
}
