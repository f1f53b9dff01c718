//go:build linux

package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

//go:embed programs
var programs embed.FS

// program writes one of the programs below the lab's directory and returns its path.
func (l *lab) program(name string) (string, error) {
	content, err := programs.ReadFile("programs/" + name)
	if err != nil {
		return "", err
	}
	return l.file(name, string(content))
}

// fromHello checks that output is the page of the pod behind hello, to which this machine has no route.
func fromHello(output string, err error) error {
	if err == nil && !strings.Contains(output, "Hello from pod default/hello-") {
		return fmt.Errorf("the answer is not the pod's:\n%s", output)
	}
	return err
}

// contains returns a check that words are in an output.
func contains(words string) func(string, error) error {
	return func(output string, err error) error {
		if err == nil && !strings.Contains(output, words) {
			return fmt.Errorf("%q is not in:\n%s", words, output)
		}
		return err
	}
}

// runPasted runs a shell with the snippet of its kind followed by a command.
func (l *lab) runPasted(ctx context.Context, kind string, shell []string, command string) (string, error) {
	text, err := l.snippet(kind, "")
	if err != nil {
		return "", err
	}
	return l.runWith(ctx, nil, text+command+"\n", shell[0], shell[1:]...)
}

// shells returns the rows of programs that use the environment of a shell.
func shells() []row {
	environment := func(program, command string, check func(string, error) error) row {
		return row{program, "snippet bash", "", func(ctx context.Context, l *lab) error {
			return check(l.runPasted(ctx, "bash", []string{"bash", "-e"}, command))
		}}
	}
	rows := []row{
		environment("bash: curl", "curl -sS "+helloURL, fromHello),
		environment("bash: curl, https", "curl -sS --cacert ca.crt https://"+secureHost+"/", contains(secureWords)),
		environment("bash: wget", "wget -qO- "+helloURL, fromHello),
		environment("bash: wget, https", "wget -qO- --ca-certificate ca.crt https://"+secureHost+"/", contains(secureWords)),
		environment("bash: git", "rm -rf from-bash && git clone -q http://"+gitHost+"/demo.git from-bash && wc -c from-bash/file", contains(fmt.Sprint(len(gitContent)))),
		environment("bash: Python urllib", `/usr/bin/python3 -c 'import urllib.request as u; print(u.urlopen("`+helloURL+`").read().decode())'`, fromHello),
		environment("bash: Python requests", `/usr/bin/python3 -c 'import requests; print(requests.get("`+helloURL+`").text)'`, fromHello),
		environment("bash: Ruby net/http", `ruby -rnet/http -e 'puts Net::HTTP.get(URI("`+helloURL+`"))'`, fromHello),
		{"zsh", "snippet bash", "pasted into an interactive zsh.", func(ctx context.Context, l *lab) error {
			return fromHello(l.runPasted(ctx, "zsh", []string{"zsh", "-f", "-i", "-s"}, "curl -sS "+helloURL))
		}},
		{"fish", "snippet fish", "", func(ctx context.Context, l *lab) error {
			return fromHello(l.runPasted(ctx, "fish", []string{"fish", "--no-config"}, "curl -sS "+helloURL))
		}},
		{"bash over a company's NO_PROXY", "snippet bash", "NO_PROXY of the cluster's names is replaced.", func(ctx context.Context, l *lab) error {
			text, err := l.snippet("bash", "")
			if err != nil {
				return err
			}
			env := []string{"NO_PROXY=.svc.cluster.local,.local", "no_proxy=.svc.cluster.local,.local"}
			return fromHello(l.runWith(ctx, env, text+"curl -sS "+helloURL+"\n", "bash", "-e"))
		}},
		{"grpc-go", "snippet bash", "unary call and stream; reads HTTPS_PROXY.", func(ctx context.Context, l *lab) error {
			output, err := l.runPasted(ctx, "bash", []string{"bash", "-e"}, "./grpcpeer call "+grpcHost+":50051")
			return errors.Join(contains("unary: SERVING")(output, err), contains("stream: NOT_SERVING")(output, err))
		}},
	}
	return rows
}

// curlKinds returns the rows of the kinds of proxies that curl supports.
func curlKinds() []row {
	var rows []row
	for _, kind := range []string{"socks5h", "socks4a", "http"} {
		rows = append(rows, row{"curl " + kind, "curl --proxy " + kind + "://" + usual + " URL", "", func(ctx context.Context, l *lab) error {
			return fromHello(l.run(ctx, "curl", "-sS", "--noproxy", "localhost", "--proxy", l.url(kind), helloURL))
		}})
	}
	for _, kind := range []string{"socks5", "socks4"} {
		rows = append(rows, row{"curl " + kind, "curl --proxy " + kind + "://" + usual + " http://CLUSTER-IP/",
			"Addresses only: curl looks names up on this machine, so a cluster name ends with status 97.", func(ctx context.Context, l *lab) error {
				if err := fromHello(l.run(ctx, "curl", "-sS", "--proxy", l.url(kind), "http://"+l.address+"/")); err != nil {
					return err
				}
				// The table says that the name fails.
				output, err := l.run(ctx, "curl", "-sS", "--proxy", l.url(kind), helloURL)
				if err == nil || !strings.Contains(output, "resolve") {
					return fmt.Errorf("a cluster name over %s: %v, %s", kind, err, output)
				}
				return nil
			}})
	}
	return append(rows,
		row{"curl CONNECT", "curl --proxytunnel --proxy http://" + usual + " URL", "", func(ctx context.Context, l *lab) error {
			return fromHello(l.run(ctx, "curl", "-sS", "--proxytunnel", "--proxy", l.url("http"), helloURL))
		}},
		row{"curl https through CONNECT", "curl --proxy http://" + usual + " https://…", "", func(ctx context.Context, l *lab) error {
			return contains(secureWords)(l.run(ctx, "curl", "-sS", "--cacert", "ca.crt", "--proxy", l.url("http"), "https://"+secureHost+"/"))
		}})
}

// commands returns the rows of programs with the proxy on their command line.
func commands() []row {
	rows := []row{
		{"curl", "snippet curl", "", func(ctx context.Context, l *lab) error {
			text, err := l.snippet("curl", helloURL)
			if err != nil {
				return err
			}
			return fromHello(l.runWith(ctx, []string{"NO_PROXY=.local"}, text, "sh", "-e"))
		}},
		{"git", "snippet git", "", func(ctx context.Context, l *lab) error {
			text, err := l.snippet("git", "http://"+gitHost+"/demo.git")
			if err != nil {
				return err
			}
			return contains(fmt.Sprint(len(gitContent)))(l.runWith(ctx, nil, "rm -rf demo\n"+text+"wc -c demo/file\n", "sh", "-e"))
		}},
		{"git, http", "git -c http.proxy=http://" + usual + " clone URL", "", func(ctx context.Context, l *lab) error {
			_, err := l.run(ctx, "git", "-c", "http.proxy="+l.url("http"), "clone", "-q", "http://"+gitHost+"/demo.git", filepath.Join(l.dir, "over-http"))
			return err
		}},
		{"wget", "wget -e use_proxy=yes -e http_proxy=http://" + usual + " URL", "knows no SOCKS.", func(ctx context.Context, l *lab) error {
			return fromHello(l.run(ctx, "wget", "-qO-", "-e", "use_proxy=yes", "-e", "http_proxy="+l.url("http"), helloURL))
		}},
	}
	return append(rows, curlKinds()...)
}
