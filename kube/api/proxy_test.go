package api

import (
	"errors"
	"net/url"
	"testing"

	"fairlead/kube/fault"
)

func TestAddressesOfAProxy(t *testing.T) {
	for text, want := range map[string]string{
		"http://127.0.0.1":              "127.0.0.1:80",
		"https://127.0.0.1":             "127.0.0.1:443",
		"socks5://127.0.0.1":            "127.0.0.1:1080",
		"http://[::ffff:127.0.0.1]:999": "127.0.0.1:999",
		"http://[::1]:999":              "[::1]:999",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if list := addresses(t.Context(), u); len(list) != 1 || list[0].String() != want {
			t.Errorf("%s: %v, want %s", text, list, want)
		}
	}
}

// A proxy's refusal is never reported as a failed login to the cluster, whatever its text.
func TestRefusalOfAProxyIsNotTheClusters(t *testing.T) {
	for _, err := range []error{
		&fault.Proxy{Problem: fault.ProxyLogin, Err: errors.New("CONNECT was answered with 407 Proxy Authentication Required")},
		&fault.Proxy{Err: errors.New("TLS: remote error: tls: certificate required")},
	} {
		got := Faults{Server: "api.invalid"}.from(&url.Error{Op: "Get", URL: "https://api.invalid/", Err: err}, Question{})
		if _, away := errors.AsType[*fault.Unreachable](got); !away || !errors.Is(got, err) {
			t.Errorf("%T %v", got, got)
		}
	}
}
