package snippet

import "fmt"

// Placeholders for files, and the note on them.
const (
	authorities  = "PROXY-CA.crt"
	certificate  = "CLIENT.crt"
	privateKey   = "CLIENT.key"
	noteForFiles = authorities + " has signed the proxy's certificate; " + certificate + " and " + privateKey + " are the client's own."
)

func curlTLS(p Proxy) (Snippet, error) {
	return Snippet{
		Text: fmt.Sprintf("curl --noproxy localhost --proxy %s --proxy-cacert %s --proxy-cert %s --proxy-key %s %s\n",
			quotePOSIX(p.URL("https")), authorities, certificate, privateKey, quotePOSIX(p.target())),
		Note: noteForFiles,
	}, nil
}

func gitTLS(p Proxy) (Snippet, error) {
	return Snippet{
		Text: fmt.Sprintf("git -c http.proxy=%s -c http.proxySSLCAInfo=%s -c http.proxySSLCert=%s -c http.proxySSLKey=%s clone %s\n",
			quotePOSIX(p.URL("https")), authorities, certificate, privateKey, quotePOSIX(p.target())),
		Note: noteForFiles,
	}, nil
}

func goTLS(p Proxy) (Snippet, error) {
	return Snippet{
		Text: fmt.Sprintf(`proxyURL, err := url.Parse(%s)
if err != nil {
	return err
}
own, err := tls.LoadX509KeyPair(%q, %q)
if err != nil {
	return err
}
authorities, err := os.ReadFile(%q)
if err != nil {
	return err
}
trusted, err := x509.SystemCertPool()
if err != nil {
	return err
}
trusted.AppendCertsFromPEM(authorities)
client := &http.Client{Transport: &http.Transport{
	Proxy:           http.ProxyURL(proxyURL),
	TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{own}, RootCAs: trusted},
}}
response, err := client.Get(%s)
if err != nil {
	return err
}
defer response.Body.Close()
`, literal(p.URL("https")), certificate, privateKey, authorities, literal(p.target())),
		Note: noteForFiles + " An https target is trusted by the same authorities, and shown the same certificate if it asks.",
	}, nil
}
