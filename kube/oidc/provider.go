package oidc

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"fairlead/kube/fault"
	"fairlead/kube/kubeconfig"
)

// The limits of an answer of the provider.
const (
	maxBody      = 1 << 20  // bytes
	maxHead      = 64 << 10 // bytes
	maxRedirects = 5
)

// A provider renews tokens at an identity provider.
type provider struct {
	issuer        *url.URL
	issuerText    string // as the kubeconfig has it
	client        string
	secret        string
	authority     string // a file
	authorityData string // base64 of PEM
	proxy         func(*http.Request) (*url.URL, error)
}

func newProvider(settings map[string]string, proxy func(*http.Request) (*url.URL, error)) (*provider, error) {
	p := &provider{
		issuerText: settings[keyIssuer], client: settings[keyClient], secret: settings[keySecret],
		authority: settings[keyAuthority], authorityData: settings[keyAuthorityData], proxy: proxy,
	}
	for _, key := range []string{keyIssuer, keyClient} {
		if settings[key] == "" {
			return nil, fmt.Errorf("its auth-provider oidc has no %s", key)
		}
	}
	var err error
	if p.issuer, err = url.Parse(p.issuerText); err != nil || !isWeb(p.issuer) {
		return nil, fmt.Errorf("the %s of its auth-provider oidc is no http or https URL", keyIssuer)
	}
	return p, nil
}

func isWeb(u *url.URL) bool { return (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" }

// refresh returns new tokens for old ones. Errors are *fault.Login without the context, *fault.Machine, and ctx's if it
// was canceled. They repeat nothing of an answer except well-known codes.
func (p *provider) refresh(ctx context.Context, old tokens) (tokens, error) {
	transport, err := p.transport()
	if err != nil {
		return tokens{}, err
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: refuseOtherOrigin}
	endpoint, err := p.discover(ctx, client)
	if err != nil {
		return tokens{}, err
	}
	// The kind of client authentication is found out as golang.org/x/oauth2 does. Without a secret there
	// is nothing to authenticate by, so the client's name alone is likelier.
	kinds := []func(*http.Request, url.Values){p.authBasic, p.authPost}
	if p.secret == "" {
		kinds = []func(*http.Request, url.Values){p.authPost, p.authBasic}
	}
	fresh, again, err := p.redeem(ctx, client, endpoint, old.refresh, kinds[0])
	if again {
		var second error
		fresh, _, second = p.redeem(ctx, client, endpoint, old.refresh, kinds[1])
		if refusal, ok := errors.AsType[*fault.Login](err); second == nil || !ok || refusal.Cause != fault.ProviderRefused {
			err = second // else the client is known, and the first answer has the reason
		}
	}
	if fresh.refresh == "" {
		fresh.refresh = old.refresh
	}
	return fresh, err
}

// errProxy is a failure of the forward proxy on the route to the provider.
var errProxy = errors.New("the proxy on the way to it did not connect")

// transport returns a transport for one renewal, so that a replaced certificate authority is used.
func (p *provider) transport() (*http.Transport, error) {
	t := &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			if p.proxy == nil {
				return nil, nil
			}
			via, err := p.proxy(r)
			if err != nil {
				return nil, errProxy
			}
			return via, nil
		},
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
			if response.StatusCode != http.StatusOK {
				return errProxy
			}
			return nil
		},
		DialContext:            (&net.Dialer{Timeout: renewalTimeout}).DialContext,
		TLSHandshakeTimeout:    renewalTimeout,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHead,
		IdleConnTimeout:        renewalTimeout,
	}
	var pem []byte
	var err error
	switch {
	case p.authorityData != "":
		pem, err = base64.StdEncoding.DecodeString(p.authorityData)
	case p.authority != "":
		pem, err = kubeconfig.ReadBounded(p.authority)
	default:
		return t, nil
	}
	t.TLSClientConfig.RootCAs = x509.NewCertPool()
	if err != nil || !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
		return nil, p.fault(fault.ProviderAuthority, "its certificate authority in the kubeconfig cannot be read")
	}
	return t, nil
}

// refuseOtherOrigin refuses redirects to another origin, which would get the refresh token and the client secret.
func refuseOtherOrigin(request *http.Request, via []*http.Request) error {
	if first := via[0].URL; request.URL.Scheme != first.Scheme || request.URL.Host != first.Host || len(via) > maxRedirects {
		return fault.NewRedirect(request.URL)
	}
	return nil
}

// discover returns the provider's token endpoint (OpenID Connect Discovery 1.0, section 4).
func (p *provider) discover(ctx context.Context, client *http.Client) (*url.URL, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(p.issuerText, "/")+"/.well-known/openid-configuration", nil)
	if err != nil {
		return nil, p.fault(fault.ProviderAnswer, "its address cannot be used")
	}
	status, body, err := p.send(client, request)
	switch {
	case err != nil:
		return nil, err
	case status != http.StatusOK:
		return nil, p.fault(fault.ProviderAnswer, fmt.Sprintf("it answered %d when asked for its configuration", status))
	}
	var metadata struct {
		Issuer   string `json:"issuer"`
		Endpoint string `json:"token_endpoint"`
	}
	if json.Unmarshal(body, &metadata) != nil {
		return nil, p.fault(fault.ProviderAnswer, "its configuration is not JSON")
	}
	// Section 4.3: these must be equal, except for a slash at the end, as when the document's URL is made.
	if strings.TrimSuffix(metadata.Issuer, "/") != strings.TrimSuffix(p.issuerText, "/") {
		return nil, p.fault(fault.ProviderIssuer, "its configuration is that of another issuer")
	}
	endpoint, err := url.Parse(metadata.Endpoint)
	switch {
	case err != nil || !isWeb(endpoint):
		return nil, p.fault(fault.ProviderAnswer, "its configuration has no token endpoint")
	case p.issuer.Scheme == "https" && endpoint.Scheme != "https":
		return nil, p.fault(fault.ProviderAnswer, "its token endpoint is not encrypted")
	}
	return endpoint, nil
}

// authBasic is client_secret_basic (RFC 6749, section 2.3.1).
func (p *provider) authBasic(request *http.Request, _ url.Values) {
	request.SetBasicAuth(url.QueryEscape(p.client), url.QueryEscape(p.secret))
}

// authPost is client_secret_post.
func (p *provider) authPost(_ *http.Request, form url.Values) {
	form.Set("client_id", p.client)
	if p.secret != "" {
		form.Set("client_secret", p.secret)
	}
}

// redeem requests tokens from the token endpoint (RFC 6749, section 6). again reports whether another kind of client
// authentication may help.
func (p *provider) redeem(
	ctx context.Context, client *http.Client, endpoint *url.URL, refresh string, authenticate func(*http.Request, url.Values),
) (fresh tokens, again bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint.String(), nil)
	if err != nil {
		return tokens{}, false, p.fault(fault.ProviderAnswer, "its token endpoint cannot be used")
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
	authenticate(request, form)
	content := []byte(form.Encode())
	request.ContentLength = int64(len(content))
	request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	request.Body, _ = request.GetBody()
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	status, body, err := p.send(client, request)
	if err != nil {
		return tokens{}, false, err
	}
	var answer struct {
		ID      string `json:"id_token"`
		Refresh string `json:"refresh_token"`
		Error   string `json:"error"`
	}
	readable := json.Unmarshal(body, &answer) == nil
	switch {
	case readable && answer.Error != "" && status < http.StatusInternalServerError:
		return tokens{}, status >= http.StatusBadRequest, p.refusal(answer.Error)
	case status/100 != 2:
		return tokens{}, status/100 == 4, p.fault(fault.ProviderAnswer, fmt.Sprintf("it answered %d when asked for a token", status))
	case !readable:
		return tokens{}, false, p.fault(fault.ProviderAnswer, "its answer is not JSON")
	}
	fresh = tokens{id: headerToken(answer.ID), refresh: answer.Refresh}
	if fresh.id == "" {
		// The provider may have replaced the refresh token even so, which must not be lost.
		return fresh, false, p.fault(fault.ProviderAnswer, "its answer has no ID token")
	}
	return fresh, false, nil
}

// errorCodes are those of RFC 6749, section 5.2, and of OpenID Connect Core 1.0, section 3.1.2.6. No other text of a
// provider is repeated: it may be a secret.
var errorCodes = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
	"access_denied", "server_error", "temporarily_unavailable", "login_required", "consent_required", "interaction_required",
}

// refusal returns the fault of a provider that does not renew the login.
func (p *provider) refusal(code string) error {
	cause, reason := fault.ProviderRefused, "it does not say why"
	if slices.Contains(errorCodes, code) {
		reason = strings.ReplaceAll(code, "_", " ")
	}
	switch code {
	case "invalid_client", "unauthorized_client":
		cause = fault.ProviderClient
	case "server_error", "temporarily_unavailable":
		cause = fault.ProviderAnswer
	}
	return p.fault(cause, reason)
}

// send sends a request, and returns the answer's status and body.
func (p *provider) send(client *http.Client, request *http.Request) (status int, body []byte, err error) {
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, p.failure(request, err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case err != nil:
		return 0, nil, p.failure(request, err)
	case len(body) > maxBody:
		return 0, nil, p.fault(fault.ProviderAnswer, "its answer is larger than 1 MiB")
	}
	return response.StatusCode, body, nil
}

// failure returns the fault for the error of a request. It has no text of the error: those of package net/http have
// URLs and repeat the server's text, which may repeat what was sent.
func (p *provider) failure(request *http.Request, err error) error {
	ctx := request.Context()
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if machine := fault.OfMachine(err); machine != nil {
		return machine
	}
	var network net.Error
	_, redirected := errors.AsType[*fault.Redirect](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, unknown := errors.AsType[*net.DNSError](err)
	cause, reason := fault.ProviderAnswer, "its answer cannot be read"
	operation, _ := errors.AsType[*net.OpError](err)
	switch {
	case redirected:
		cause, reason = fault.ProviderAnswer, "it redirects to another server"
	case ctx.Err() != nil, errors.As(err, &network) && network.Timeout():
		cause, reason = fault.ProviderSilent, fmt.Sprintf("it did not answer within %d seconds", renewalTimeout/time.Second)
	case errors.Is(err, errProxy), operation != nil && operation.Op == "proxyconnect":
		cause, reason = fault.ProviderUnreachable, errProxy.Error()
	case untrusted:
		cause, reason = fault.ProviderAuthority, "its certificate is not trusted"
	case unknown:
		cause, reason = fault.ProviderUnreachable, "its name is not known"
	case errors.Is(err, syscall.ECONNREFUSED):
		cause, reason = fault.ProviderUnreachable, "it refused the connection"
	case fault.Ended(err):
		cause, reason = fault.ProviderUnreachable, "it closed the connection"
	case operation != nil:
		cause, reason = fault.ProviderUnreachable, "the connection to it failed"
	}
	return p.fault(cause, reason)
}

func (p *provider) fault(cause fault.LoginCause, reason string) *fault.Login {
	return &fault.Login{Provider: p.issuer.Host, Cause: cause, Err: errors.New(reason)}
}
