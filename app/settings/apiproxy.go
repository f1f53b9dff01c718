package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// APIProxy is the forward proxy on the way to a context's API server. The zero value stands for the kubeconfig's
// proxy-url and the environment. At most one of the fields is set.
type APIProxy struct {
	None bool     // no proxy at all
	URL  *url.URL // the proxy, with a secret user and password; may be nil
}

// String returns the setting without user and password.
func (a APIProxy) String() string {
	switch {
	case a.None:
		return "none"
	case a.URL == nil:
		return "auto"
	case a.URL.User == nil:
		return a.URL.String()
	}
	masked := *a.URL
	masked.User = url.User("…")
	return strings.Replace(masked.String(), masked.User.String(), "…", 1)
}

// Fingerprint returns a text that is different for different settings, including their passwords, but does not reveal a
// password.
func (a APIProxy) Fingerprint() string {
	text := a.String()
	if a.URL != nil {
		text = a.URL.String()
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// at reports whether the proxy listens at an address, as far as its URL shows.
func (a APIProxy) at(address netip.AddrPort) bool {
	if a.URL == nil || a.URL.Port() != strconv.Itoa(int(address.Port())) {
		return false
	}
	host := a.URL.Hostname()
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.Unmap() == address.Addr() || address.Addr().IsUnspecified() && ip.IsLoopback())
}

// apiProxySchemes are the URL schemes of forward proxies on the way to an API server.
var apiProxySchemes = []string{"http", "https", "socks5", "socks5h"}

// maxProxyURL bounds the length of a forward proxy's URL, in bytes.
const maxProxyURL = 2 << 10

// apiProxy parses auto, none, or the URL of a forward proxy. No problem repeats the value, because it may contain a
// password.
func (p *parser) apiProxy(node *yaml.Node) *APIProxy {
	const want = "an api-proxy is auto, none, or a URL that begins with http://, https://, socks5:// or socks5h://"
	if node.Kind != yaml.ScalarNode {
		p.problem(node, "%s, and not %s", want, kind(node))
		return nil
	}
	switch node.Value {
	case "auto":
		return &APIProxy{}
	case "none":
		return &APIProxy{None: true}
	}
	scheme, _, isURL := strings.Cut(node.Value, "://")
	if !isURL || !slices.Contains(apiProxySchemes, strings.ToLower(scheme)) {
		p.problem(node, want)
		return nil
	}
	via, err := proxyURL(node.Value)
	if err != nil {
		p.problem(node, "the URL of the api-proxy %v", err)
		return nil
	}
	return &APIProxy{URL: via}
}

// proxyURL parses a URL with one of the schemes. The text of the error continues a sentence about the URL, and repeats
// nothing of it.
func proxyURL(text string) (*url.URL, error) {
	if len(text) > maxProxyURL {
		return nil, fmt.Errorf("is longer than %d bytes", maxProxyURL)
	}
	via, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("cannot be read: after the scheme it takes an optional USER:PASSWORD@, and HOST:PORT; in a user and a password, %40 stands for @, %3A for : and %2F for /")
	}
	port := via.Port()
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return nil, fmt.Errorf("has a port that is not from 1 to %d", lastPort)
	}
	switch {
	case via.Hostname() == "":
		return nil, errors.New("names no host")
	case strings.Trim(via.Path, "/") != "" || via.RawQuery != "" || via.ForceQuery || via.Fragment != "":
		return nil, errors.New("has something after the host and the port; in a user and a password, %3F stands for ? and %23 for #")
	}
	user := via.User.Username()
	password, _ := via.User.Password()
	switch {
	case strings.ContainsFunc(user+password, unicode.IsControl):
		return nil, errors.New("has characters in its user or its password that cannot be typed")
	case strings.HasPrefix(via.Scheme, "socks") && via.User != nil && (user == "" || len(user) > maxSecret || len(password) > maxSecret):
		return nil, fmt.Errorf("has a user or a password that SOCKS5 cannot carry: a user takes 1 to %d bytes, a password no more", maxSecret)
	}
	via.Path = ""
	if port == "" {
		via.Host = strings.TrimSuffix(via.Host, ":")
	}
	return via, nil
}
