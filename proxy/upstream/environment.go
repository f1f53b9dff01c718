package upstream

import (
	"errors"
	"net/url"
	"os"

	"golang.org/x/net/http/httpproxy"
)

// EnvironmentProxy returns the forward proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or their lower-case
// forms, name for a URL, as they are now; nil for none. A variable that cannot be read is an *Error.
func EnvironmentProxy(to *url.URL) (*url.URL, error) {
	config := httpproxy.FromEnvironment()
	all := os.Getenv("ALL_PROXY")
	if all == "" {
		all = os.Getenv("all_proxy")
	}
	if config.HTTPProxy == "" {
		config.HTTPProxy = all
	}
	if config.HTTPSProxy == "" {
		config.HTTPSProxy = all
	}
	return choose(*config, to)
}

// FromEnvironment returns a function that chooses the forward proxy for a URL by the current environment, as package
// net/http and kubectl do, without ALL_PROXY. A variable that cannot be read is an *Error.
func FromEnvironment() func(*url.URL) (*url.URL, error) {
	config := *httpproxy.FromEnvironment()
	return func(to *url.URL) (*url.URL, error) { return choose(config, to) }
}

// choose returns the proxy that config names for a URL.
func choose(config httpproxy.Config, to *url.URL) (*url.URL, error) {
	name, value := "HTTPS_PROXY", &config.HTTPSProxy
	if to.Scheme == "http" {
		name, value = "HTTP_PROXY", &config.HTTPProxy
	}
	if isProxyURL(*value) {
		return config.ProxyFunc()(to)
	}
	*value = "unreadable.invalid" // the library would ignore a value that it cannot read
	via, err := config.ProxyFunc()(to)
	if via != nil {
		return nil, &Error{Proxy: name, Err: errors.New("the environment's variable is not a URL")}
	}
	return nil, err
}

// isProxyURL reports whether a variable's value is empty or a URL, with or without a scheme.
func isProxyURL(value string) bool {
	_, err := url.Parse(value)
	if err != nil {
		_, err = url.Parse("http://" + value)
	}
	return err == nil
}
