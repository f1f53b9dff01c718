package snippet

import (
	"fmt"
	"strings"
)

// The commands of curl and git are plain words as long as the values are, so that one line works in every shell.
func curl(p Proxy) (Snippet, error) {
	return Snippet{
		// A NO_PROXY in the environment would apply even with --proxy.
		Text: fmt.Sprintf("curl --noproxy localhost --proxy %s %s\n", quotePOSIX(p.URL("socks5h")), quotePOSIX(p.target())),
		Note: "It must be socks5h: with socks5 and socks4 curl looks names up on this machine, which does not know the cluster's.",
	}, nil
}

func git(p Proxy) (Snippet, error) {
	return Snippet{
		Text: fmt.Sprintf("git -c http.proxy=%s clone %s\n", quotePOSIX(p.URL("socks5h")), quotePOSIX(p.target())),
		Note: "For remotes over ssh see the lines for ssh.",
	}, nil
}

func ssh(p Proxy) (Snippet, error) {
	host, port := p.Address.Addr().String(), p.Address.Port()
	if p.User == "" {
		return Snippet{
			Text: fmt.Sprintf("ssh -o %s USER@SERVICE.NAMESPACE.svc\n",
				quotePOSIX(fmt.Sprintf("ProxyCommand=nc -X 5 -x %s %%h %%p", p.Address))),
			Note: "nc is OpenBSD's (netcat-openbsd); for git: GIT_SSH_COMMAND with the same option.",
		}, nil
	}
	if strings.ContainsAny(p.User+p.Password, `,:!"'\%$ ()[]{}`+"`") {
		return Snippet{}, fmt.Errorf("socat cannot be given a user or password with such characters")
	}
	if p.Address.Addr().Is6() {
		host = "[" + host + "]"
	}
	return Snippet{
		Text: fmt.Sprintf("ssh -o %s USER@SERVICE.NAMESPACE.svc\n",
			quotePOSIX(fmt.Sprintf("ProxyCommand=socat - PROXY:%s:%%h:%%p,proxyport=%d,proxyauth=%s:%s", host, port, p.User, p.Password))),
		Note: "socat, since nc asks for the password each time.",
	}, nil
}

func psql(p Proxy) (Snippet, error) {
	if clients := p.clients(); clients != "" {
		return Snippet{Text: clients, Note: "By the context's local ports, without a proxy."}, nil
	}
	if strings.ContainsAny(p.User+p.Password, " \t#") {
		return Snippet{}, fmt.Errorf("proxychains cannot be given a user or password with blanks or #")
	}
	server := fmt.Sprintf("socks5 %s %d", p.Address.Addr(), p.Address.Port())
	if p.User != "" {
		server += " " + p.User + " " + p.Password
	}
	return Snippet{
		Text: fmt.Sprintf("(umask 077; printf '%%s\\n' strict_chain proxy_dns '[ProxyList]' %s > ~/.fairlead-proxychains-%[2]d.conf)\n"+
			"proxychains4 -q -f ~/.fairlead-proxychains-%[2]d.conf psql 'host=SERVICE.NAMESPACE.svc port=5432 user=USER dbname=DATABASE'\n",
			quotePOSIX(server), p.Address.Port()),
		Note: "psql and redis-cli know no proxy: proxychains4 takes them through it, as it does most programs that are not static.",
	}, nil
}
