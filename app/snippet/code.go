package snippet

import (
	"encoding/json"
	"fmt"
	"strings"
)

// literal returns s as a string literal of Go, Python, JavaScript, Java and C#, which share JSON's escapes.
func literal(s string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		panic("snippet: a string has a JSON form")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func goLang(p Proxy) (Snippet, error) {
	return Snippet{
		Text: fmt.Sprintf(`proxyURL, err := url.Parse(%s)
if err != nil {
	return err
}
client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxyURL)}}
response, err := client.Get(%s)
if err != nil {
	return err
}
defer response.Body.Close()
`, literal(p.URL("socks5h")), literal(p.target())),
		Note: "Programs that cannot be changed, gRPC's too, read HTTP_PROXY and HTTPS_PROXY: take the lines for a shell.",
	}, nil
}

func python(p Proxy) (Snippet, error) {
	return Snippet{
		Text: fmt.Sprintf(`import requests

proxy = %s
answer = requests.get(%s, proxies={"http": proxy, "https": proxy})
print(answer.text)
`, literal(p.URL("http")), literal(p.target())),
		Note: "The HTTP form needs no further package. With PySocks write socks5h, since socks5 looks names up on this machine.",
	}, nil
}

func node(p Proxy) (Snippet, error) {
	return Snippet{
		Text: fmt.Sprintf(`const { fetch, ProxyAgent } = require("undici"); // npm install undici

const dispatcher = new ProxyAgent(%s);
fetch(%s, { dispatcher })
  .then((answer) => answer.text())
  .then(console.log);
`, literal(p.URL("http")), literal(p.target())),
		Note: "For http.request: https-proxy-agent with the http URL, or socks-proxy-agent with the socks5h one. Node.js 24 reads the shell's variables when NODE_USE_ENV_PROXY is 1.",
	}, nil
}

// globalAgent returns the variables of global-agent, which makes Node.js's http and https use a proxy.
func globalAgent(p Proxy) (Snippet, error) {
	return Snippet{
		Text: fmt.Sprintf("GLOBAL_AGENT_HTTP_PROXY=%s GLOBAL_AGENT_NO_PROXY=%s node -r global-agent/bootstrap APP.js\n",
			quotePOSIX(p.URL("http")), quotePOSIX(local)),
		Note: "For http.request, and what is made of it, without a change of the program: npm install global-agent. fetch needs undici's ProxyAgent.",
	}, nil
}

func java(p Proxy) (Snippet, error) {
	if p.User != "" {
		return javaCode(p), nil
	}
	properties := socksProperties(p)
	// HttpClient does not support SOCKS; everything else needs only SOCKS.
	for _, scheme := range []string{"http", "https"} {
		properties = append(properties, quotePOSIX(fmt.Sprintf("-D%s.proxyHost=%s", scheme, p.Address.Addr())),
			fmt.Sprintf("-D%s.proxyPort=%d", scheme, p.Address.Port()))
	}
	return Snippet{
		Text: "java " + strings.Join(properties, " ") + " -jar APP.jar\n",
		Note: "By SOCKS every socket of the program goes through the proxy; HttpClient takes the HTTP properties.",
	}, nil
}

func jdbc(p Proxy) (Snippet, error) {
	if urls := p.jdbcURLs(); urls != "" {
		return Snippet{Text: urls, Note: "By the context's local ports, without a proxy."}, nil
	}
	if p.User != "" {
		return javaCode(p), nil
	}
	return Snippet{
		Text: strings.Join(socksProperties(p), " ") + "\n",
		Note: "Options for the program's virtual machine. PostgreSQL's driver then leaves names to the proxy; MySQL's wants socksProxyHost and socksProxyPort in its URL.",
	}, nil
}

// javaCode returns the code for a program's start if there is a password, because no property sets the one of a SOCKS
// proxy. It gives the password to this proxy only, because any server may ask an Authenticator.
func javaCode(p Proxy) Snippet {
	return Snippet{
		Text: fmt.Sprintf(`System.setProperty("socksProxyHost", %s);
System.setProperty("socksProxyPort", "%d");
java.net.Authenticator.setDefault(new java.net.Authenticator() {
  @Override
  protected java.net.PasswordAuthentication getPasswordAuthentication() {
    if (!getRequestingProtocol().startsWith("SOCKS") || getRequestingPort() != %[2]d) {
      return null;
    }
    return new java.net.PasswordAuthentication(%[3]s, %[4]s.toCharArray());
  }
});
`, literal(p.Address.Addr().String()), p.Address.Port(), literal(p.User), literal(p.Password)),
		Note: "At the start of main: a virtual machine takes no password by its options. java.net.http.HttpClient knows no SOCKS.",
	}
}

// socksProperties returns options of a Java virtual machine, quoted for a shell where necessary.
func socksProperties(p Proxy) []string {
	return []string{quotePOSIX(fmt.Sprintf("-DsocksProxyHost=%s", p.Address.Addr())), fmt.Sprintf("-DsocksProxyPort=%d", p.Address.Port())}
}

func dotnet(p Proxy) (Snippet, error) {
	login := ""
	if p.User != "" {
		login = fmt.Sprintf(" { Credentials = new NetworkCredential(%s, %s) }", literal(p.User), literal(p.Password))
	}
	return Snippet{Text: fmt.Sprintf(`using System.Net;

var handler = new HttpClientHandler { Proxy = new WebProxy(%s)%s };
using var client = new HttpClient(handler);
Console.WriteLine(await client.GetStringAsync(%s));
`, literal("http://"+p.Address.String()), login, literal(p.target()))}, nil
}

func ruby(p Proxy) (Snippet, error) {
	login := ""
	if p.User != "" {
		login = fmt.Sprintf(", %s, %s", quoteRuby(p.User), quoteRuby(p.Password))
	}
	return Snippet{Text: fmt.Sprintf(`require "net/http"

uri = URI(%s)
Net::HTTP.start(uri.host, uri.port, %s, %d%s, use_ssl: uri.scheme == "https") do |http|
  puts http.get(uri).body
end
`, quoteRuby(p.target()), quoteRuby(p.Address.Addr().String()), p.Address.Port(), login)}, nil
}

// quoteRuby quotes without interpolation.
func quoteRuby(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
