//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// runSnippet writes the snippet of a language, which requests hello, to a file and runs it with command.
func (l *lab) runSnippet(ctx context.Context, kind, file string, wrap func(string) string, command ...string) error {
	text, err := l.snippet(kind, helloURL)
	if err != nil {
		return err
	}
	if wrap != nil {
		text = wrap(text)
	}
	path, err := l.file(file, text)
	if err != nil {
		return err
	}
	return fromHello(l.run(ctx, command[0], append(command[1:], path)...))
}

// goProgram returns a Go program around lines that may return an error and define a response.
func goProgram(lines string) string {
	return `package main

import (
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
` + lines + `	_, err = io.Copy(os.Stdout, response.Body)
	return err
}
`
}

// languages returns the rows of programs in common languages.
func languages() []row {
	rows := []row{
		{"Go net/http", "snippet go", "", func(ctx context.Context, l *lab) error {
			return l.runSnippet(ctx, "go", "snippet-go/main.go", goProgram, "go", "run")
		}},
		{"Python requests", "snippet python", "", func(ctx context.Context, l *lab) error {
			return l.runSnippet(ctx, "python", "snippet.py", nil, "/usr/bin/python3")
		}},
	}
	for _, kind := range []string{"socks5h", "socks4a"} {
		rows = append(rows, row{"Python requests, " + kind, `proxies = {"http": "` + kind + "://" + usual + `", …}`, "with PySocks (python3-socks).",
			func(ctx context.Context, l *lab) error {
				path, err := l.program("requests_socks.py")
				if err != nil {
					return err
				}
				return fromHello(l.run(ctx, "/usr/bin/python3", path, l.url(kind), helloURL))
			}})
	}
	rows = append(rows, row{"Node.js undici", "snippet node", "", func(ctx context.Context, l *lab) error {
		return l.runSnippet(ctx, "node", "snippet.js", nil, "node")
	}})
	rows = append(rows, row{"Node.js http, global-agent", "snippet global-agent", "", func(ctx context.Context, l *lab) error {
		path, err := l.program("get.js")
		if err != nil {
			return err
		}
		text, err := l.snippet("global-agent", "")
		if err != nil {
			return err
		}
		return fromHello(l.runWith(ctx, nil, strings.Replace(text, "APP.js", path+" "+helloURL, 1), "sh", "-e"))
	}})
	for _, agent := range []struct{ name, class, scheme string }{
		{"https-proxy-agent", "HttpsProxyAgent", "http"},
		{"socks-proxy-agent", "SocksProxyAgent", "socks5h"},
		{"socks-proxy-agent", "SocksProxyAgent", "socks4a"},
	} {
		url := agent.scheme + "://" + usual
		rows = append(rows, row{"Node.js " + agent.name + ", " + agent.scheme, fmt.Sprintf("new %s(%q)", agent.class, url), "",
			func(ctx context.Context, l *lab) error {
				path, err := l.program("agents.js")
				if err != nil {
					return err
				}
				return fromHello(l.run(ctx, "node", path, agent.name, agent.class, l.url(agent.scheme), helloURL))
			}})
	}
	rows = append(rows, row{"Node.js undici WebSocket", `new WebSocket(url, { dispatcher: new ProxyAgent("http://` + usual + `") })`, "by CONNECT.",
		func(ctx context.Context, l *lab) error {
			path, err := l.program("websocket.js")
			if err != nil {
				return err
			}
			return contains("echoed: inside")(l.run(ctx, "node", path, l.url("http"), "ws://"+helloHost+"/ws"))
		}})
	return append(append(rows, javaRows()...), rubyRows()...)
}

// runJava runs a Java program with its snippet, which has options of the virtual machine or, with a password, code for
// the start of main.
func (l *lab) runJava(ctx context.Context, kind, name, classPath string, args ...string) (string, error) {
	path, err := l.program(name)
	if err != nil {
		return "", err
	}
	text, err := l.snippet(kind, "")
	if err != nil {
		return "", err
	}
	options := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "java "), " -jar APP.jar")
	if strings.Contains(text, "Authenticator") {
		source, err := programs.ReadFile("programs/" + name)
		if err != nil {
			return "", err
		}
		const main = "main(String[] args) throws Exception {\n"
		if path, err = l.file("password/"+name, strings.Replace(string(source), main, main+text, 1)); err != nil {
			return "", err
		}
		options = ""
	}
	line := "java " + options + classPath + " " + path + " '" + strings.Join(args, "' '") + "'\n"
	return l.runWith(ctx, nil, line, "sh", "-e")
}

func javaRows() []row {
	var rows []row
	for _, way := range []struct{ name, title string }{{"url", "URL"}, {"client", "HttpClient"}, {"socket", "Socket"}} {
		rows = append(rows, row{"Java " + way.title, "snippet java", "", func(ctx context.Context, l *lab) error {
			return fromHello(l.runJava(ctx, "java", "Fetch.java", "", way.name, helloURL))
		}})
	}
	return append(rows,
		row{"Java, HTTP", "java -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=1080 …", "URL and HttpClient only; https.proxyHost for https.",
			func(ctx context.Context, l *lab) error {
				path, err := l.program("Fetch.java")
				if err != nil {
					return err
				}
				port := fmt.Sprint(l.proxy.Port())
				return fromHello(l.run(ctx, "java", "-Dhttp.proxyHost=127.0.0.1", "-Dhttp.proxyPort="+port, path, "url", helloURL))
			}},
		row{"JDBC (PostgreSQL)", "snippet jdbc", "", func(ctx context.Context, l *lab) error {
			return contains("answer 42")(l.runJava(ctx, "jdbc", "Query.java", " -cp /usr/share/java/postgresql.jar",
				"jdbc:postgresql://"+postgresHost+"/postgres?user=fairlead"))
		}})
}

func rubyRows() []row {
	return []row{
		{"Ruby net/http", "snippet ruby", "", func(ctx context.Context, l *lab) error {
			return l.runSnippet(ctx, "ruby", "snippet.rb", nil, "ruby")
		}},
		{"Ruby socksify", `Socksify::proxy("127.0.0.1", 1080) { TCPSocket.new(…) }`, "plain sockets; net/http of Ruby 3.1 does not go through it.", func(ctx context.Context, l *lab) error {
			path, err := l.program("socksify.rb")
			if err != nil {
				return err
			}
			return fromHello(l.run(ctx, "ruby", path, "127.0.0.1", fmt.Sprint(l.proxy.Port()), helloURL))
		}},
	}
}

// tunnels returns the rows of programs without proxy support, and of those that carry them through a proxy.
func tunnels() []row {
	rows := []row{{"ssh", "snippet ssh", "", func(ctx context.Context, l *lab) error {
		text, err := l.snippet("ssh", "")
		if err != nil {
			return err
		}
		options := " -i " + filepath.Join(l.dir, "id") + " -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "
		line := strings.Replace(text, "ssh -o", "ssh"+options+"-o", 1)
		line = strings.Replace(line, "USER@SERVICE.NAMESPACE.svc", `"$(id -un)"@`+sshHost+" echo inside '$((6 * 7))'", 1)
		return contains("inside 42")(l.runWith(ctx, nil, line, "sh", "-e"))
	}}}
	for _, through := range []struct{ name, command string }{
		{"nc -X connect", "nc -X connect -x PROXY %h %p"},
		{"connect-proxy", "connect-proxy -R remote -5 -S PROXY %h %p"},
		{"socat", "socat - SOCKS4A:HOST:%h:%p,socksport=PORT"},
	} {
		show := strings.NewReplacer("PROXY", usual, "HOST", "127.0.0.1", "PORT", "1080").Replace(through.command)
		rows = append(rows, row{"ssh, " + through.name, "ssh -o ProxyCommand='" + show + "' …", "", func(ctx context.Context, l *lab) error {
			command := strings.NewReplacer("PROXY", l.proxy.String(), "HOST", "127.0.0.1", "PORT", fmt.Sprint(l.proxy.Port())).Replace(through.command)
			name, err := l.run(ctx, "id", "-un")
			if err != nil {
				return err
			}
			return contains("inside")(l.run(ctx, "ssh", "-i", filepath.Join(l.dir, "id"), "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no",
				"-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ProxyCommand="+command,
				strings.TrimSpace(name)+"@"+sshHost, "echo", "inside"))
		}})
	}
	return append(rows,
		row{"psql through proxychains4", "snippet psql", "", func(ctx context.Context, l *lab) error {
			return contains("answer 42")(l.throughChains(ctx, "psql 'host=SERVICE.NAMESPACE.svc port=5432 user=USER dbname=DATABASE'",
				"psql 'host="+postgresHost+" port=5432 user=fairlead dbname=postgres' -tAc \"SELECT 'answer ' || 6 * 7\""))
		}},
		row{"redis-cli through proxychains4", "snippet psql", "the same, with redis-cli.", func(ctx context.Context, l *lab) error {
			return contains("PONG")(l.throughChains(ctx, "psql 'host=SERVICE.NAMESPACE.svc port=5432 user=USER dbname=DATABASE'", "redis-cli -h "+redisHost+" ping"))
		}})
}

// throughChains runs the snippet for proxychains with one command in it replaced.
func (l *lab) throughChains(ctx context.Context, command, by string) (string, error) {
	text, err := l.snippet("psql", "")
	if err != nil {
		return "", err
	}
	if !strings.Contains(text, command) {
		return "", fmt.Errorf("%q is not in the snippet:\n%s", command, text)
	}
	return l.runWith(ctx, nil, strings.Replace(text, command, by, 1), "sh", "-e")
}
