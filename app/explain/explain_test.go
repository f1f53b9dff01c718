package explain_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"fairlead/app/explain"
	"fairlead/kube/fault"
)

// routeError is like a proxy's refusal: it has a text, and wraps fs.ErrPermission.
type routeError struct{ target, why string }

func (e *routeError) Error() string {
	return fmt.Sprintf("%s is not reachable through this proxy: %s", e.target, e.why)
}
func (e *routeError) Unwrap() error { return fs.ErrPermission }

// held is like an error that knows which program has a port.
type held struct {
	error
	program string
	pid     int
}

func (h *held) Unwrap() error         { return h.error }
func (h *held) Holder() (string, int) { return h.program, h.pid }

// forwarded is a fixed local port that cannot be opened.
type forwarded struct{ error }

func (f *forwarded) Unwrap() error { return f.error }
func (f *forwarded) LocalPort()    {}

var taken = &net.OpError{Op: "listen", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1080}, Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}

// viaProxy returns the fault of an API server that cannot be reached through a forward proxy.
func viaProxy(source fault.ProxySource, problem fault.ProxyProblem, err error) error {
	return &fault.Unreachable{Server: "api.example:6443", Err: &fault.Proxy{Proxy: "proxy.example:3128", Source: source, Problem: problem, Err: err}}
}

var notReady = &fault.NoEndpoints{Service: "web", Namespace: "shop", NotReady: 3}

// A cause is an error, and what users and clients get for it.
type cause struct {
	name        string
	err         error
	title       string
	text        string
	socks5      byte
	socks4      byte
	status      int
	proxyStatus string
}

var causes = append([]cause{
	{"nothing", nil, "", "", 0, 0, 0, ""},

	{"certificate authority and insecure", &fault.Kubeconfig{Cause: fault.KubeconfigTrust, Entry: "cluster", Name: "c", Source: "/k"}, "Broken kubeconfig",
		"The cluster c has a certificate authority and insecure-skip-tls-verify: true, of which only one can be. Remove insecure-skip-tls-verify in /k; without it the server is checked, as it should be.", 1, 91, 502, "proxy_configuration_error"},
	{"socks5h", &fault.Kubeconfig{Cause: fault.KubeconfigProxy, Entry: "cluster", Name: "c", Source: "/k", Value: "socks5h"}, "Broken kubeconfig",
		"The proxy-url of cluster c begins with socks5h:, which kubectl does not take. Write socks5 in /k: the proxy looks up the server's name with that, too.", 1, 91, 502, "proxy_configuration_error"},
	{"proxy scheme", &fault.Kubeconfig{Cause: fault.KubeconfigProxy, Entry: "cluster", Name: "c", Source: "/k", Value: "ftp"}, "Broken kubeconfig",
		"The proxy-url of cluster c begins with ftp:, which kubectl does not take. Write http, https or socks5 in /k.", 1, 91, 502, "proxy_configuration_error"},
	{"gcp", &fault.Kubeconfig{Cause: fault.KubeconfigProvider, Entry: "user", Name: "u", Value: "gcp"}, "Broken kubeconfig",
		"The user u logs in by the auth-provider gcp, which kubectl no longer has: gke-gcloud-auth-plugin took its place. Install that, then run “gcloud container clusters get-credentials CLUSTER”, which writes the entry again.", 1, 91, 502, "proxy_configuration_error"},
	{"azure", &fault.Kubeconfig{Cause: fault.KubeconfigProvider, Entry: "user", Name: "u", Value: "azure"}, "Broken kubeconfig",
		"The user u logs in by the auth-provider azure, which kubectl no longer has: kubelogin took its place. Install that, then run “kubelogin convert-kubeconfig”, which writes the entry again.", 1, 91, 502, "proxy_configuration_error"},
	{"openstack", &fault.Kubeconfig{Cause: fault.KubeconfigProvider, Entry: "user", Name: "u", Source: "/k", Value: "openstack"}, "Broken kubeconfig",
		"The user u logs in by the auth-provider openstack, which kubectl no longer has: client-keystone-auth took its place. Install that, and name it as the entry's exec in /k.", 1, 91, 502, "proxy_configuration_error"},
	{"unknown provider", &fault.Kubeconfig{Cause: fault.KubeconfigProvider, Entry: "user", Name: "u", Value: "x"}, "Broken kubeconfig",
		"The user u logs in by the auth-provider x, which kubectl does not have. Let the tool that made the entry write it again, with a credential plugin.", 1, 91, 502, "proxy_configuration_error"},
	{"v1alpha1", &fault.Kubeconfig{Cause: fault.KubeconfigVersion, Entry: "user", Name: "u", Value: "client.authentication.k8s.io/v1alpha1", Command: "/opt/aws"}, "Broken kubeconfig",
		"The user u logs in by aws with the apiVersion client.authentication.k8s.io/v1alpha1, which kubectl no longer has. Update aws, then run “aws eks update-kubeconfig --name CLUSTER”, which writes the entry again.", 1, 91, 502, "proxy_configuration_error"},
	{"another v1alpha1", &fault.Kubeconfig{Cause: fault.KubeconfigVersion, Entry: "user", Name: "u", Source: "/k", Value: "client.authentication.k8s.io/v1alpha1", Command: "get-it"}, "Broken kubeconfig",
		"The user u logs in by get-it with the apiVersion client.authentication.k8s.io/v1alpha1, which kubectl no longer has. Update get-it, and write client.authentication.k8s.io/v1beta1 or v1 in /k, whichever it prints.", 1, 91, 502, "proxy_configuration_error"},
	{"no apiVersion", &fault.Kubeconfig{Cause: fault.KubeconfigVersion, Entry: "user", Name: "u", Source: "/k", Command: "x"}, "Broken kubeconfig",
		"The exec of user u has no apiVersion. Write apiVersion: client.authentication.k8s.io/v1 in /k, or v1beta1 if that is what the program prints.", 1, 91, 502, "proxy_configuration_error"},
	{"no interactiveMode", &fault.Kubeconfig{Cause: fault.KubeconfigMode, Entry: "user", Name: "u", Source: "/k"}, "Broken kubeconfig",
		"The exec of user u has no interactiveMode, which its apiVersion asks for. Write interactiveMode: IfAvailable in /k, or Never or Always.", 1, 91, 502, "proxy_configuration_error"},
	{"wrong interactiveMode", &fault.Kubeconfig{Cause: fault.KubeconfigMode, Entry: "user", Name: "u", Source: "/k", Value: "Maybe"}, "Broken kubeconfig",
		"The exec of user u has the interactiveMode Maybe, which is none. Write interactiveMode: IfAvailable in /k, or Never or Always.", 1, 91, 502, "proxy_configuration_error"},
	{"no key", &fault.Kubeconfig{Cause: fault.KubeconfigKey, Entry: "user", Name: "u", Source: "/k"}, "Broken kubeconfig",
		"The user u has a client certificate without its key. Add client-key-data, or client-key with the key's file in /k.", 1, 91, 502, "proxy_configuration_error"},
	{"no token file", &fault.Kubeconfig{Cause: fault.KubeconfigFile, Entry: "user", Name: "u", Source: "/k", Field: "tokenFile", File: "/t", Err: syscall.ENOENT}, "Broken kubeconfig",
		"The tokenFile of user u cannot be read: there is no file /t. Put the file there, or correct its path in /k.", 1, 91, 502, "proxy_configuration_error"},
	{"no right to the CA", &fault.Kubeconfig{Cause: fault.KubeconfigFile, Entry: "cluster", Name: "c", Source: "/k", Field: "certificate-authority", File: "/ca", Err: syscall.EACCES}, "Broken kubeconfig",
		"The certificate-authority of cluster c cannot be read: you may not read /ca. Give yourself the right to read it.", 1, 91, 502, "proxy_configuration_error"},
	{"CA data that is no PEM", &fault.Kubeconfig{Cause: fault.KubeconfigPEM, Entry: "cluster", Name: "c", Field: "certificate-authority-data"}, "Broken kubeconfig",
		"The certificate-authority-data of cluster c is no certificate in PEM form. Put one there that begins with -----BEGIN CERTIFICATE-----, encoded in base64.", 1, 91, 502, "proxy_configuration_error"},
	{"key file that is no PEM", &fault.Kubeconfig{Cause: fault.KubeconfigPEM, Entry: "user", Name: "u", Field: "client-key", File: "/key"}, "Broken kubeconfig",
		"The client-key of user u, /key, is no private key in PEM form. Put one there that begins with -----BEGIN PRIVATE KEY-----.", 1, 91, 502, "proxy_configuration_error"},
	{"name unfit", &fault.Kubeconfig{Cause: fault.KubeconfigName, Entry: "context", Name: "x", Source: "/k"}, "Broken kubeconfig",
		"The context's name has characters that cannot be shown. Rename it in /k.", 1, 91, 502, "proxy_configuration_error"},
	{"overruled", &fault.Kubeconfig{Cause: fault.KubeconfigHidden, Entry: "context", Name: "x", Source: "/1", File: "/2", Value: "the cluster k and the user a"}, "Broken kubeconfig",
		"Of /2, the cluster k and the user a do not count: /1 has others of those names and comes first, as with kubectl. Give those of one file other names.", 1, 91, 502, "proxy_configuration_error"},
	{"context overruled", &fault.Kubeconfig{Cause: fault.KubeconfigHidden, Entry: "context", Name: "x", Source: "/1", File: "/2", Value: "the context x"}, "Broken kubeconfig",
		"Of /2, the context x does not count: /1 has another of that name and comes first, as with kubectl. Give one of the two another name.", 1, 91, 502, "proxy_configuration_error"},
	{"dangling", &fault.Kubeconfig{Entry: "context", Name: "x", Source: "/k", Err: errors.New("it names the cluster \"lost\", which the kubeconfig does not have")}, "Broken kubeconfig",
		"It names the cluster \"lost\", which the kubeconfig does not have. Correct it in /k.", 1, 91, 502, "proxy_configuration_error"},

	{"no Service", &fault.NotFound{Kind: fault.Service, Name: "helo", Namespace: "default"}, "No such Service",
		"There is no Service helo in namespace default. Check the name: use SERVICE in the context's own namespace, or SERVICE.NAMESPACE.", 4, 91, 502, "dns_error"},
	{"no Service here, but there", &fault.NotFound{Kind: fault.Service, Name: "web", Namespace: "default", Elsewhere: []string{"shop", "team"}, Near: []string{"webs"}}, "No such Service",
		"There is no Service web in namespace default. Perhaps web.shop.svc or web.team.svc was meant.", 4, 91, 502, "dns_error"},
	{"no Service, but one like it", &fault.NotFound{Kind: fault.Service, Name: "helo", Namespace: "default", Near: []string{"hello"}}, "No such Service",
		"There is no Service helo in namespace default. Perhaps hello was meant.", 4, 91, 502, "dns_error"},
	{"no Pod", &fault.NotFound{Kind: fault.Pod, Name: "web-9", Namespace: "shop"}, "No such Pod",
		"There is no Pod web-9 in namespace shop. It may have been replaced by another one.", 4, 91, 502, "dns_error"},
	{"no port", &fault.NotFound{Kind: fault.Port, Name: "81", Service: "hello", Namespace: "default", Has: []string{"80 (http)", "443 (https)"}}, "No such port",
		"Service default/hello has no TCP port 81; it has 80 (http), 443 (https).", 4, 91, 502, "destination_not_found"},
	{"no port at all", &fault.NotFound{Kind: fault.Port, Name: "81", Service: "hello", Namespace: "default"}, "No such port",
		"Service default/hello has no TCP port 81; it has none.", 4, 91, 502, "destination_not_found"},
	{"no port of many", &fault.NotFound{Kind: fault.Port, Name: "81", Service: "hello", Namespace: "default", Has: strings.Fields("1 2 3 4 5 6 7 8 9 10")}, "No such port",
		"Service default/hello has no TCP port 81; it has 1, 2, 3, 4, 5, 6, 7, 8, 2 more.", 4, 91, 502, "destination_not_found"},
	{"no namespace", &fault.NotFound{Kind: fault.Namespace, Name: "prodd"}, "No such namespace",
		"There is no namespace prodd in this cluster. Check the name: use SERVICE.NAMESPACE or SERVICE.NAMESPACE.svc.", 4, 91, 502, "dns_error"},
	{"no name", &fault.NotFound{Kind: fault.Name, Name: "web.cluster.local"}, "No such name",
		"web.cluster.local is no name that this cluster has. A name is SERVICE.NAMESPACE.svc, POD.SERVICE.NAMESPACE.svc or POD.NAMESPACE.pod.", 4, 91, 502, "dns_error"},
	{"SRV name", &fault.NotFound{Kind: fault.Name, Name: "_http._tcp.web.default.svc"}, "No such name",
		"_http._tcp.web.default.svc is the name of an SRV record, which says where a port is and has no address itself. Ask for the Service: SERVICE.NAMESPACE.svc, with its port.", 4, 91, 502, "dns_error"},
	{"no address", &fault.NotFound{Kind: fault.Address, Name: "10.0.0.9"}, "No such address",
		"No Service and no Pod of this cluster has the address 10.0.0.9.", 4, 91, 502, "destination_ip_unroutable"},

	{"no Pods", &fault.NoEndpoints{Service: "web", Namespace: "shop"}, "Nothing ready",
		"Service shop/web has no Pod behind it. What it stands for may be scaled to zero, or its selector matches no Pod.", 4, 91, 503, "destination_unavailable"},
	{"no Pods, and why", &fault.NoEndpoints{Service: "web", Namespace: "shop", Detail: "no Pod matches its selector"}, "Nothing ready",
		"Service shop/web leads to no Pod (no Pod matches its selector). Look at the Service: “kubectl describe service web -n shop”.", 4, 91, 503, "destination_unavailable"},
	{"one Pod not ready", &fault.NoEndpoints{Service: "web", Namespace: "shop", NotReady: 1}, "Nothing ready",
		"The one Pod behind Service shop/web is not ready. Wait until it is ready, or look at the Pods: “kubectl get pods -n shop”.", 4, 91, 503, "destination_unavailable"},
	{"Pods not ready", notReady, "Nothing ready",
		"None of the 3 Pods behind Service shop/web is ready. Wait until one is ready, or look at the Pods: “kubectl get pods -n shop”.", 4, 91, 503, "destination_unavailable"},
	{"Pod not ready", &fault.NoEndpoints{Pod: "web-0", Namespace: "shop", Detail: "phase Pending"}, "Nothing ready",
		"Pod shop/web-0 is not ready (phase Pending). Wait until it is ready, or look at the Pods: “kubectl get pods -n shop”.", 4, 91, 503, "destination_unavailable"},

	{"refused in the Pod", &fault.Refused{Pod: "hello-1", Namespace: "default", Port: 81, Text: "exit status 1, stderr: connect(5, …)"}, "Connection refused",
		"Nothing is listening on port 81 in Pod default/hello-1. The program there may be down, or use another port. One that listens on the Pod's own address only, and not on its localhost, is reached on some nodes and not on others.", 5, 91, 502, "connection_refused"},

	{"forbidden", &fault.Forbidden{Verbs: []string{"get", "create"}, Resource: "pods/portforward", Namespace: "prod", Text: "RBAC: …"}, "Not allowed",
		"Your login may not get and create pods/portforward in namespace prod. Ask the cluster's administrator for the right to get and create pods/portforward there.", 2, 91, 403, "http_request_denied"},
	{"forbidden by name", &fault.Forbidden{Verbs: []string{"get"}, Resource: "services", Namespace: "prod", Name: "web"}, "Not allowed",
		"Your login may not get Services in namespace prod. Ask the cluster's administrator for the right to get services there.", 2, 91, 403, "http_request_denied"},
	{"forbidden in the cluster", &fault.Forbidden{Verbs: []string{"list"}, Resource: "nodes"}, "Not allowed",
		"Your login may not list Nodes in this cluster. Ask the cluster's administrator for the right to list nodes there.", 2, 91, 403, "http_request_denied"},

	{"login", &fault.Login{Context: "staging"}, "Login needed",
		"The cluster does not accept the login of context staging. The kubeconfig needs a new login: run the tool that wrote it again, or ask the cluster's administrator.", 1, 91, 502, "proxy_configuration_error"},
	{"login with a reason", &fault.Login{Context: "staging", Err: errors.New("its token file cannot be read, or is empty")}, "Login needed",
		"The cluster does not accept the login of context staging: its token file cannot be read, or is empty. The kubeconfig needs a new login: run the tool that wrote it again, or ask the cluster's administrator.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin missing", &fault.Login{Context: "staging", Plugin: "aws", Err: &exec.Error{Name: "aws", Err: exec.ErrNotFound}}, "Login plugin missing",
		"The program aws, which logs in to context staging, was not found on this machine. Install it, or put its folder on the PATH that Fairlead is started with.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin missing, in words", &fault.Login{Context: "staging", Plugin: "aws", Err: errors.New("executable not found")}, "Login plugin missing",
		"The program aws, which logs in to context staging, was not found on this machine. Install it, or put its folder on the PATH that Fairlead is started with.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin failing with a reason", &fault.Login{Context: "staging", Plugin: "aws", Err: errors.New("exit code 255")}, "Login plugin failed",
		"The program aws, which logs in to context staging, failed: exit code 255. Run “kubectl version --context staging” in a terminal: it logs in, or says why it cannot.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin printing a token", &fault.Login{Context: "staging", Plugin: "aws", Err: errors.New("printed hunter2hunter2hunter2")}, "Login plugin failed",
		"The program aws, which logs in to context staging, failed. Run “kubectl version --context staging” in a terminal: it logs in, or says why it cannot.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin failing", &fault.Login{Context: "staging", Plugin: "aws", Err: errors.New("exit status 255: token=hunter2")}, "Login plugin failed",
		"The program aws, which logs in to context staging, failed. Run “kubectl version --context staging” in a terminal: it logs in, or says why it cannot.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin of an odd context", &fault.Login{Context: "$(reboot)", Plugin: "aws", Err: errors.New("exit status 255")}, "Login plugin failed",
		"The program aws, which logs in to context $(reboot), failed: exit status 255. Run kubectl with this context in a terminal: it logs in, or says why it cannot.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin slow", &fault.Login{Context: "staging", Plugin: "aws", Err: context.DeadlineExceeded}, "Login plugin failed",
		"The program aws, which logs in to context staging, did not finish in time; it may be waiting for you. Run “kubectl version --context staging” in a terminal: it logs in, or says why it cannot.", 1, 91, 502, "proxy_configuration_error"},

	{"login expired", &fault.Login{Context: "staging", Cause: fault.LoginExpired, Expired: time.Date(2026, 11, 2, 9, 30, 0, 0, time.Local), Command: "aws sso login --profile dev"}, "Login needed",
		"The login of context staging ran out at 09:30 on 2 November 2026. To log in, run “aws sso login --profile dev” in a terminal.", 1, 91, 502, "proxy_configuration_error"},
	{"login with an odd command", &fault.Login{Context: "staging", Cause: fault.LoginCertificate, Command: "tsh login; reboot"}, "Login needed",
		"The cluster does not accept the client certificate of context staging. The kubeconfig needs a new login: run the tool that wrote it again, or ask the cluster's administrator.", 1, 91, 502, "proxy_configuration_error"},
	{"login file", &fault.Login{Context: "staging", Cause: fault.LoginFile}, "Login needed",
		"The token file of context staging cannot be read, or is empty. The kubeconfig needs a new login: run the tool that wrote it again, or ask the cluster's administrator.", 1, 91, 502, "proxy_configuration_error"},
	{"login renewal", &fault.Login{Context: "staging", Cause: fault.LoginRenewal}, "Login needed",
		"The login of context staging has run out and cannot be renewed. The kubeconfig needs a new login: run the tool that wrote it again, or ask the cluster's administrator.", 1, 91, 502, "proxy_configuration_error"},
	{"login provider silent", &fault.Login{Context: "staging", Provider: "id.example", Cause: fault.ProviderSilent, Err: errors.New("it did not answer within 10 seconds")}, "Identity provider failed",
		"The identity provider id.example, which renews the login of context staging, did not answer in time. Check that this machine reaches it: a VPN may be needed.", 1, 91, 502, "proxy_configuration_error"},
	{"login provider out of reach", &fault.Login{Context: "staging", Provider: "id.example", Cause: fault.ProviderUnreachable, Err: errors.New("it refused the connection")}, "Identity provider failed",
		"The identity provider id.example, which renews the login of context staging, cannot be reached: it refused the connection. Check that this machine reaches it: a VPN may be needed.", 1, 91, 502, "proxy_configuration_error"},
	{"login provider not trusted", &fault.Login{Context: "staging", Provider: "id.example", Cause: fault.ProviderAuthority, Err: errors.New("its certificate is not trusted")}, "Identity provider failed",
		"The identity provider id.example, which renews the login of context staging, is not trusted. Check idp-certificate-authority in the kubeconfig.", 1, 91, 502, "proxy_configuration_error"},
	{"login provider another one", &fault.Login{Context: "staging", Provider: "id.example", Cause: fault.ProviderIssuer, Err: errors.New("its configuration is that of another issuer")}, "Identity provider failed",
		"The identity provider id.example, which renews the login of context staging, says that it is another one. Check idp-issuer-url in the kubeconfig.", 1, 91, 502, "proxy_configuration_error"},
	{"login provider and a wrong client", &fault.Login{Context: "staging", Provider: "id.example", Cause: fault.ProviderClient, Err: errors.New("invalid client")}, "Identity provider failed",
		"The identity provider id.example, which renews the login of context staging, does not accept the kubeconfig's client: invalid client. Check client-id and client-secret in the kubeconfig.", 1, 91, 502, "proxy_configuration_error"},
	{"login provider and an ended login", &fault.Login{Context: "staging", Provider: "id.example", Cause: fault.ProviderRefused, Err: errors.New("invalid grant")}, "Login needed",
		"The identity provider id.example, which renews the login of context staging, does not renew it: invalid grant. The kubeconfig needs a new login: run the tool that wrote it again, or ask the cluster's administrator.", 1, 91, 502, "proxy_configuration_error"},
	{"login provider with a useless answer", &fault.Login{Context: "staging", Provider: "id.example", Cause: fault.ProviderAnswer, Err: errors.New("it redirects to another server")}, "Identity provider failed",
		"The identity provider id.example, which renews the login of context staging, gave no usable answer: it redirects to another server. Try again later, and if it lasts, ask the people who run it.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin looked for", &fault.Login{Context: "staging", Plugin: "aws", Cause: fault.PluginMissing, SearchPath: "/usr/bin:/bin", Hint: "get aws\nfrom its site"}, "Login plugin missing",
		"The program aws, which logs in to context staging, was not found on this machine. Install it, or put its folder on the PATH that Fairlead is started with. It was looked for in /usr/bin:/bin. The kubeconfig says: Get aws from its site.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin denied", &fault.Login{Context: "staging", Plugin: "aws", Cause: fault.PluginDenied}, "Login plugin denied",
		"The program aws, which logs in to context staging, may not be run: your kuberc does not allow it. Add it to the credential plugins that your kuberc allows, if you trust it.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin in want of a terminal", &fault.Login{Context: "staging", Plugin: "aws", Cause: fault.PluginTerminal}, "Login needed",
		"The program aws, which logs in to context staging, wants a terminal to ask in, which it cannot have in the background. Run “kubectl version --context staging” in a terminal: it logs in, or says why it cannot.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin with last words", &fault.Login{Context: "staging", Plugin: "aws", Cause: fault.PluginFailed, Exit: 3, Detail: "session ended, token=hunter2.", Command: "aws sso login"}, "Login plugin failed",
		"The program aws, which logs in to context staging, failed: session ended, token=…. To log in, run “aws sso login” in a terminal.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin with advice", &fault.Login{Context: "staging", Plugin: "aws", Cause: fault.PluginFailed, Exit: 255, Detail: "Unable to locate credentials. You can configure credentials by running \"aws configure\".", Command: "aws configure --profile dev"}, "Login plugin failed",
		"The program aws, which logs in to context staging, failed: Unable to locate credentials. To log in, run “aws configure --profile dev” in a terminal.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin with advice in a clause", &fault.Login{Context: "staging", Plugin: "tsh", Cause: fault.PluginFailed, Exit: 1, Detail: "ERROR: your credentials have expired, please login using tsh login --proxy=t.example", Command: "tsh login --proxy=t.example"}, "Login plugin failed",
		"The program tsh, which logs in to context staging, failed: ERROR: your credentials have expired. To log in, run “tsh login --proxy=t.example” in a terminal.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin with advice alone", &fault.Login{Context: "staging", Plugin: "az", Cause: fault.PluginFailed, Exit: 1, Detail: "Please run 'az login' to setup account.", Command: "az login"}, "Login plugin failed",
		"The program az, which logs in to context staging, failed with exit status 1. To log in, run “az login” in a terminal.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin with a status alone", &fault.Login{Context: "staging", Plugin: "aws", Cause: fault.PluginFailed, Exit: 3, Err: errors.New("exit code 3")}, "Login plugin failed",
		"The program aws, which logs in to context staging, failed with exit status 3. Run “kubectl version --context staging” in a terminal: it logs in, or says why it cannot.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin silent", &fault.Login{Context: "staging", Plugin: "aws", Cause: fault.PluginSilent}, "Login plugin failed",
		"The program aws, which logs in to context staging, did not finish in time; it may be waiting for you. Run “kubectl version --context staging” in a terminal: it logs in, or says why it cannot.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin that waits", &fault.Login{Context: "staging", Plugin: "/usr/local/bin/kubelogin", Cause: fault.PluginSilent, Detail: "open https://idp.example/device and enter ABCD-EFGH"}, "Login plugin failed",
		"The program kubelogin, which logs in to context staging, did not finish in time; it may be waiting for you: open https://idp.example/device and enter ABCD-EFGH. Run “kubectl version --context staging” in a terminal: it logs in, or says why it cannot.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin with an old login", &fault.Login{Context: "staging", Plugin: "aws", Cause: fault.LoginExpired, Expired: time.Date(2026, 11, 2, 9, 30, 0, 0, time.Local)}, "Login needed",
		"The program aws, which logs in to context staging, gives a login that ran out at 09:30 on 2 November 2026. Run “kubectl version --context staging” in a terminal: it logs in, or says why it cannot.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin that is new", &fault.Login{Context: "staging", Plugin: "/tmp/aws", Cause: fault.PluginNew}, "Login plugin is new",
		"The program /tmp/aws, which logs in to context staging, is new in the kubeconfig, and was not run. If you trust it, click “Try again” in the context's menu, or switch the context off and on.", 1, 91, 502, "proxy_configuration_error"},
	{"login plugin that prints something else", &fault.Login{Context: "staging", Plugin: "aws", Cause: fault.PluginOutput}, "Login plugin failed",
		"The program aws, which logs in to context staging, printed no credentials that Kubernetes understands. Run “kubectl version --context staging” in a terminal: it logs in, or says why it cannot.", 1, 91, 502, "proxy_configuration_error"},

	{"node unreachable", &fault.Node{Node: "node-7", Pod: "lone-1", Namespace: "shop", Problem: fault.NodeUnreachable, Status: 500, Text: "error dialing backend: dial tcp 10.0.0.7:10250: connect: no route to host"}, "Node unreachable",
		"Node node-7 of Pod shop/lone-1 cannot be reached by the API server. Look at the node: “kubectl describe node node-7”. The rest of the cluster can be reached.", 4, 91, 502, "destination_unavailable"},
	{"node unreachable, of no name", &fault.Node{Pod: "lone-1", Namespace: "shop", Problem: fault.NodeUnreachable}, "Node unreachable",
		"The node of Pod shop/lone-1 cannot be reached by the API server. Tell the cluster's administrator; the rest of the cluster can be reached.", 4, 91, 502, "destination_unavailable"},
	{"node refuses the API server", &fault.Node{Node: "node-7", Pod: "lone-1", Namespace: "shop", Problem: fault.NodeRefuses, Status: 401, Text: "Unauthorized"}, "Node out of order",
		"Node node-7 of Pod shop/lone-1 refuses the API server's own login, so no port-forward gets there. The cluster's administrator has to repair how the API server logs in to that node; your own login is accepted.", 4, 91, 502, "destination_unavailable"},
	{"virtual node", &fault.Node{Node: "fargate-1", Pod: "lone-1", Namespace: "shop", Problem: fault.NodeUnable, Status: 404, Text: "404 request not found"}, "No port-forward there",
		"Node fargate-1 of Pod shop/lone-1 has no port-forward (404 request not found). Virtual nodes, such as Fargate's, have none, and some nodes lack the program for it: use a Pod on another node, or another way in.", 4, 91, 502, "destination_unavailable"},
	{"node fails", &fault.Node{Node: "node-7", Pod: "lone-1", Namespace: "shop", Problem: fault.NodeFailed, Status: 500, Text: "rpc error: token=hunter2."}, "Node out of order",
		"Node node-7 of Pod shop/lone-1 could not carry the connection (rpc error: token=…). Look at the node: “kubectl describe node node-7”. The rest of the cluster can be reached.", 4, 91, 502, "destination_unavailable"},
	{"blocked on the way", &fault.Blocked{Server: "api.example:6443", Status: 403}, "Port-forward blocked",
		"Something on the way to the API server api.example:6443 does not let port-forwards through: it answered 403 Forbidden. Ask those who run that proxy or load balancer to pass WebSocket upgrades on.", 3, 91, 502, "destination_unavailable"},
	{"no agent", &fault.Konnectivity{Server: "konnectivity:8090", Problem: fault.KonnectivityNoAgent, Err: errors.New("no tunnels available")}, "No Konnectivity agent",
		"No agent of the cluster is connected to the Konnectivity server konnectivity:8090. Look at the agents in the cluster: “kubectl get pods -A -l k8s-app=konnectivity-agent”. The cluster may have no node.", 3, 91, 502, "destination_unavailable"},
	{"Konnectivity server without us", &fault.Konnectivity{Server: "konnectivity:8090", Problem: fault.KonnectivityCertificate, Err: errors.New("remote error: tls: certificate required")}, "Konnectivity unusable",
		"The Konnectivity server konnectivity:8090 wants a client certificate that it knows, and does not accept what it was given. The certificate and the key are cert and key of the context's konnectivity in the settings, or --konnectivity-cert and --konnectivity-key.", 3, 91, 502, "destination_unavailable"},
	{"Konnectivity server down", &fault.Konnectivity{Server: "konnectivity:8090", Err: syscall.ECONNREFUSED}, "Konnectivity unusable",
		"Nothing is listening at the address of the Konnectivity server konnectivity:8090. It is the server of the context's konnectivity in the settings, or of --konnectivity-server.", 3, 91, 502, "destination_unavailable"},
	{"Konnectivity server unknown", &fault.Konnectivity{Server: "konnectivity:8090", Err: x509.UnknownAuthorityError{}}, "Konnectivity unusable",
		"The certificate of the Konnectivity server konnectivity:8090 is not one that this machine trusts. It is the server of the context's konnectivity in the settings, or of --konnectivity-server.", 3, 91, 502, "destination_unavailable"},
	{"refused by an agent", &fault.Konnectivity{Server: "konnectivity:8090", Problem: fault.KonnectivityBeyond, Err: syscall.ECONNREFUSED}, "Connection refused",
		"The target refused the connection: nothing listens on that port.", 5, 91, 502, "connection_refused"},
	{"no such host for an agent", &fault.Konnectivity{Server: "konnectivity:8090", Problem: fault.KonnectivityBeyond, Err: &net.DNSError{Name: "nobody.example", IsNotFound: true}}, "Name not found",
		"The cluster's DNS knows no host nobody.example. Check the name.", 4, 91, 502, "dns_error"},
	{"redirected port-forwards", &fault.Blocked{Server: "api.example:6443", Status: 307, To: "https://other.example"}, "Port-forward blocked",
		"Something on the way to the API server api.example:6443 redirects port-forwards to https://other.example, which is not followed. Ask those who run that proxy or load balancer to pass WebSocket upgrades on.", 3, 91, 502, "destination_unavailable"},
	{"redirect", &fault.Unreachable{Server: "api.example:6443", Err: &fault.Redirect{To: "http://127.0.0.1:8080"}}, "Cluster not trusted",
		"The API server api.example:6443 redirects to http://127.0.0.1:8080, which is not followed: the login would go along. Check the server's address in the kubeconfig. A sign-in page or a proxy on the way may answer in the cluster's place.", 3, 91, 502, "destination_unavailable"},
	{"busy", &fault.Unreachable{Server: "api.example:6443", Err: &fault.Busy{Status: 429, After: 90 * time.Second}}, "API server busy",
		"The API server api.example:6443 takes no requests just now, and asks to wait 1m30s. Try again then; if it lasts, tell the cluster's administrator.", 1, 91, 503, "destination_unavailable"},
	{"oversized, elements", &fault.Oversized{Server: "api.example:6443", Of: fault.Elements, Bound: 50_000}, "Answer too large",
		"The API server api.example:6443 sent an answer that is too large to be read: it has more than 50000 elements in one list. The answers of a cluster are far smaller. Something on the way may answer in the cluster's place; else tell the cluster's administrator.", 1, 91, 502, "http_protocol_error"},
	{"oversized, memory", &fault.Oversized{Server: "api.example:6443", Of: fault.Memory, Bound: 12 << 20}, "Answer too large",
		"The API server api.example:6443 sent an answer that is too large to be read: it takes more than 12 MiB of memory. The answers of a cluster are far smaller. Something on the way may answer in the cluster's place; else tell the cluster's administrator.", 1, 91, 502, "http_protocol_error"},
	{"oversized, bytes", &fault.Oversized{Server: "api.example:6443", Of: fault.Bytes, Bound: 256 << 10}, "Answer too large",
		"The API server api.example:6443 sent an answer that is too large to be read: it has more than 256 KiB. The answers of a cluster are far smaller. Something on the way may answer in the cluster's place; else tell the cluster's administrator.", 1, 91, 502, "http_protocol_error"},

	{"too many files of ours", &fault.Unreachable{Server: "api.example:6443", Err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}}, "Too many open files",
		"There are too many open files on this machine: Fairlead may open no more. Close some connections, or start Fairlead with a higher limit (ulimit -n).", 1, 91, 503, "connection_limit_reached"},
	{"too many files of all", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.ENFILE)}, "Too many open files",
		"There are too many open files on this machine: no program can open more. Close programs, or raise the system's limit (fs.file-max on Linux).", 1, 91, 503, "connection_limit_reached"},
	{"no memory", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ENOBUFS)}, "Out of memory",
		"This machine has no memory left for another connection. Close some programs.", 1, 91, 503, "proxy_internal_error"},
	{"no port left", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}, "No local port left",
		"This machine has no address or port of its own left for the connection. Many connections may be open, or have just been closed: wait a minute. Or this machine has no address of that kind (IPv6).", 1, 91, 503, "connection_limit_reached"},
	{"forbidden by this machine", &fault.Unreachable{Server: "api.example:6443", Err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EPERM)}}, "Not allowed",
		"This machine does not allow the connection. A firewall on it may forbid it, or a sandbox that Fairlead runs in.", 2, 91, 403, "http_request_denied"},

	{"node's network", &fault.HostNetwork{Pod: "agent-1", Namespace: "kube-system", Node: "node-1"}, "Node's own network",
		"Pod kube-system/agent-1 shares the network of its node node-1: the connection would reach whatever listens on the node itself. If that is what you want, allow it for this context in the settings: host-network: true.", 2, 91, 403, "http_request_denied"},

	{"unreachable", &fault.Unreachable{Server: "api.example:6443"}, "API server not reachable",
		"The API server api.example:6443 cannot be reached. Check the network connection or the VPN.", 3, 91, 502, "destination_unavailable"},
	{"unreachable by name", &fault.Unreachable{Server: "api.example:6443", Err: &net.DNSError{Name: "api.example", IsNotFound: true}}, "API server not reachable",
		"The name of the API server api.example:6443 is not known to this machine. Check the network connection or the VPN.", 3, 91, 502, "destination_unavailable"},
	{"unreachable without DNS", &fault.Unreachable{Server: "api.example:6443", Err: &net.DNSError{Name: "api.example", IsTemporary: true}}, "API server not reachable",
		"The name of the API server api.example:6443 could not be looked up. Check the network connection or the VPN.", 3, 91, 502, "destination_unavailable"},
	{"unreachable, refused", &fault.Unreachable{Server: "127.0.0.1:6443", Err: syscall.ECONNREFUSED}, "API server not reachable",
		"Nothing is listening at the API server's address 127.0.0.1:6443. The cluster may be stopped or may have moved to another address.", 3, 91, 502, "destination_unavailable"},
	{"unreachable, silent", &fault.Unreachable{Server: "10.1.1.1:6443", Err: context.DeadlineExceeded}, "API server not reachable",
		"The API server 10.1.1.1:6443 does not answer. Check the network connection or the VPN.", 3, 91, 502, "destination_unavailable"},
	{"unreachable, wrong answer", &fault.Unreachable{Server: "10.1.1.1:6443", Err: errors.New("it answered 500 InternalError")}, "API server not reachable",
		"The API server 10.1.1.1:6443 cannot be used: it answered 500 InternalError.", 3, 91, 502, "destination_unavailable"},
	{"proxy gone", viaProxy(fault.ProxySettings, "", syscall.ECONNREFUSED), "Proxy unusable",
		"Nothing is listening at the address of the proxy proxy.example:3128 on the way to the API server api.example:6443. It is the context's api-proxy in the settings.", 3, 91, 502, "destination_unavailable"},
	{"proxy unknown", viaProxy(fault.ProxyKubeconfig, "", &net.DNSError{Name: "proxy.example", IsNotFound: true}), "Proxy unusable",
		"The name of the proxy proxy.example:3128 on the way to the API server api.example:6443 is not known to this machine. It is the cluster's proxy-url in the kubeconfig; api-proxy in the settings replaces it.", 3, 91, 502, "destination_unavailable"},
	{"proxy silent", viaProxy(fault.ProxyEnvironment, "", context.DeadlineExceeded), "Proxy unusable",
		"The proxy proxy.example:3128 on the way to the API server api.example:6443 does not answer. It is set in the environment, as HTTPS_PROXY; api-proxy in the settings replaces it.", 3, 91, 502, "destination_unavailable"},
	{"proxy not trusted", viaProxy(fault.ProxySettings, "", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), "Proxy unusable",
		"The certificate of the proxy proxy.example:3128 on the way to the API server api.example:6443 is not one that this machine trusts. It is the context's api-proxy in the settings.", 3, 91, 502, "destination_unavailable"},
	{"proxy of another kind", viaProxy(fault.ProxySettings, "", errors.New("unexpected protocol version 72")), "Proxy unusable",
		"The proxy proxy.example:3128 on the way to the API server api.example:6443 cannot be used: unexpected protocol version 72. It is the context's api-proxy in the settings.", 3, 91, 502, "destination_unavailable"},
	{"proxy that wants a login", viaProxy(fault.ProxySettings, fault.ProxyLogin, errors.New("CONNECT was answered with 407 Proxy Authentication Required")), "Proxy unusable",
		"The proxy proxy.example:3128 on the way to the API server api.example:6443 wants a login, and does not accept what it was given. Write its user and password into its URL, or correct them. It is the context's api-proxy in the settings.", 3, 91, 502, "destination_unavailable"},
	{"proxy that denies", viaProxy(fault.ProxySettings, fault.ProxyDenies, errors.New("CONNECT was answered with 403 Forbidden")), "Proxy unusable",
		"The proxy proxy.example:3128 does not let connections through to the API server api.example:6443: CONNECT was answered with 403 Forbidden. It is the context's api-proxy in the settings.", 3, 91, 502, "destination_unavailable"},
	{"proxy that cannot reach it", viaProxy(fault.ProxySettings, fault.ProxyBeyond, errors.New("host unreachable")), "API server not reachable",
		"The proxy proxy.example:3128 cannot reach the API server api.example:6443: host unreachable. The cluster may be stopped, or lie elsewhere than this proxy leads. It is the context's api-proxy in the settings.", 3, 91, 502, "destination_unavailable"},
	{"proxy that this machine cannot dial", viaProxy(fault.ProxySettings, "", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EPERM)}), "Not allowed",
		"This machine does not allow the connection. A firewall on it may forbid it, or a sandbox that Fairlead runs in.", 2, 91, 403, "http_request_denied"},
	{"unreachable behind the API server", &fault.Unreachable{Server: "Pod shop/web-0 port 80", Err: syscall.EHOSTUNREACH}, "Pod unreachable",
		"Pod shop/web-0 port 80 cannot be reached from its node. The program there may listen on another address, or the Pod may be on its way out.", 4, 91, 502, "destination_unavailable"},
	{"unreachable, cut", &fault.Unreachable{Server: "10.1.1.1:6443", Err: io.ErrUnexpectedEOF}, "API server not reachable",
		"The API server 10.1.1.1:6443 closed the connection. Something on the way may cut connections: check the VPN or the company's proxy.", 3, 91, 502, "destination_unavailable"},
	{"unknown authority", &fault.Unreachable{Server: "api.example:6443", Err: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}}, "Cluster not trusted",
		"The certificate of the API server api.example:6443 is not one that this context trusts. The context's certificate authority may be out of date, or something on the way answers in the cluster's place.", 3, 91, 502, "tls_certificate_error"},
	{"expired certificate", &fault.Unreachable{Server: "api.example:6443", Err: &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}}, "Cluster not trusted",
		"The certificate of the API server api.example:6443 has expired or is not valid yet. The cluster's administrator has to renew it, unless this machine's clock is wrong.", 3, 91, 502, "tls_certificate_error"},
	{"certificate of another", &fault.Unreachable{Server: "api.example:6443", Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "api.example"}}, "Cluster not trusted",
		"The certificate of the API server api.example:6443 is for another name. The context's certificate authority may be out of date, or something on the way answers in the cluster's place.", 3, 91, 502, "tls_certificate_error"},
	{"no TLS", &fault.Unreachable{Server: "api.example:6443", Err: tls.RecordHeaderError{}}, "Cluster not trusted",
		"The API server api.example:6443 answers, but not in TLS. Something on the way may answer in the cluster's place.", 3, 91, 502, "tls_protocol_error"},

	{"unsupported", &fault.Unsupported{What: "port 53 of Service kube-system/dns is UDP only"}, "Cannot be carried",
		"Fairlead cannot carry this connection: port 53 of Service kube-system/dns is UDP only.", 4, 91, 502, "destination_not_found"},
	{"unsupported by the system", errors.ErrUnsupported, "Cannot be carried",
		"Fairlead cannot carry this kind of connection.", 4, 91, 502, "destination_not_found"},

	{"another site's page", fmt.Errorf("request: %w", crossOrigin{"web.shop:80", "http://evil.example"}), "Page of another site",
		"A page of http://evil.example asked for web.shop:80, and this context refuses what pages of other sites ask for. If that page may do so, allow it in the settings: cross-site: allow.", 2, 91, 403, "http_request_denied"},
	{"rule with a public text", &publicError{&routeError{"x.corp:80", "it may lead back here through 127.0.0.1:3128"}, "x.corp:80 is not reachable through this proxy"}, "Not allowed",
		"x.corp:80 is not reachable through this proxy: it may lead back here through 127.0.0.1:3128.", 2, 91, 403, "http_request_denied"},
	{"rule", &routeError{"localhost:22", "no rule matches it"}, "Not allowed",
		"localhost:22 is not reachable through this proxy: no rule matches it.", 2, 91, 403, "http_request_denied"},
	{"rule, wrapped", fmt.Errorf("dial: %w", &net.OpError{Op: "dial", Net: "tcp", Err: &routeError{"metadata.example:80", "169.254.169.254 is link-local"}}), "Not allowed",
		"metadata.example:80 is not reachable through this proxy: 169.254.169.254 is link-local.", 2, 91, 403, "http_request_denied"},
	{"firewall", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EPERM)}, "Not allowed",
		"This machine does not allow the connection. A firewall on it may forbid it, or a sandbox that Fairlead runs in.", 2, 91, 403, "http_request_denied"},

	{"timed out", fmt.Errorf("resolve web.shop: %w", context.DeadlineExceeded), "Timed out",
		"The target did not answer in time. It may be overloaded, or something on the way drops the connection.", 6, 91, 504, "connection_timeout"},
	{"connect timed out", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}, "Timed out",
		"The target did not answer in time. It may be overloaded, or something on the way drops the connection.", 6, 91, 504, "connection_timeout"},
	{"no such host", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "nope.invalid", Server: "127.0.0.53", IsNotFound: true}}, "Name not found",
		"No host is named nope.invalid. Check the name.", 4, 91, 502, "dns_error"},
	{"silent DNS", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "i/o timeout", Name: "a.example", IsTimeout: true}}, "Name lookup failed",
		"The name a.example could not be looked up. Check the network connection or the VPN.", 6, 91, 504, "dns_timeout"},
	{"no DNS", &net.DNSError{Err: "server misbehaving", Name: "a.example", IsTemporary: true}, "Name lookup failed",
		"The name a.example could not be looked up. Check the network connection or the VPN.", 4, 91, 502, "dns_error"},
	{"refused", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "Connection refused",
		"The target refused the connection: nothing listens on that port.", 5, 91, 502, "connection_refused"},
	{"refused on Windows", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connectex", syscall.Errno(10061))}, "Connection refused",
		"The target refused the connection: nothing listens on that port.", 5, 91, 502, "connection_refused"},
	{"no route", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, "Host unreachable",
		"The target cannot be reached. Check the address, and the network connection or the VPN.", 4, 91, 502, "destination_ip_unroutable"},
	{"no network", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}, "Network unreachable",
		"No network leads to the target from here. Check the network connection or the VPN.", 3, 91, 502, "destination_ip_unroutable"},
	{"no HTTP", fmt.Errorf("request: %w", textproto.ProtocolError("the answer is no HTTP")), "No HTTP there",
		"What answers at the target does not speak HTTP. Reach it through this proxy by SOCKS or CONNECT, with the program that is made for it.", 1, 91, 502, "http_protocol_error"},
	{"no HTTP but TLS", textproto.ProtocolError("the answer is TLS"), "No HTTP there",
		"What answers at the target speaks TLS, and not plain HTTP. Ask for it by https://.", 1, 91, 502, "http_protocol_error"},
	{"wrong HTTP", textproto.ProtocolError("the answer breaks the rules of HTTP"), "Wrong answer",
		"What the target answered breaks the rules of HTTP, and Fairlead cannot pass it on. The program there is at fault: its log may say more.", 1, 91, 502, "http_protocol_error"},
	{"large header", fmt.Errorf("request: %w", textproto.ProtocolError("the head of the answer is too large")), "Header too large",
		"What the target answered has a larger header than Fairlead passes on, which is 64 KiB and 256 fields. Many targets with large ones at the same time get less.", 1, 91, 502, "http_response_header_section_size"},
	{"reset", &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, "Connection lost",
		"The connection to the target was closed from the other side.", 1, 91, 502, "connection_terminated"},
	{"no answer", fmt.Errorf("request: %w", closedOn{"web.shop:80", false}), "No answer",
		"web.shop:80 closed the connection before it answered. It may have carried the request out, so Fairlead did not send it again.", 1, 91, 502, "connection_terminated"},
	{"no answer twice", closedOn{"web.shop:80", true}, "No answer",
		"web.shop:80 closed the connection before it answered. Fairlead asked twice. The program there may speak no HTTP on this port, or may have crashed: its log says more.", 1, 91, 502, "connection_terminated"},
	{"too many", fmt.Errorf("too many connections are open through this proxy: %w", syscall.EMFILE), "Too many connections",
		"Too many connections are open. Close some, or let this context have more in the settings: connections, below limits.", 1, 91, 503, "connection_limit_reached"},
	{"given up", fmt.Errorf("dial: %w", context.Canceled), "Given up",
		"The connection to the target was given up before it was made.", 1, 91, 502, "connection_terminated"},

	{"listen elsewhere", &net.OpError{Op: "listen", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1080}, Err: os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)}, "Cannot listen",
		"Fairlead cannot listen on 192.0.2.1:1080. Check that the address is one of this machine.", 1, 91, 502, "proxy_internal_error"},
	{"listen low", &net.OpError{Op: "listen", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, Err: os.NewSyscallError("bind", syscall.EACCES)}, "Cannot listen",
		"This machine does not let Fairlead listen on 127.0.0.1:80. Ports below 1024, and ports the system keeps for itself, need more rights.", 1, 91, 502, "proxy_internal_error"},
	{"listen twice on Windows", &net.OpError{Op: "listen", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1080}, Err: os.NewSyscallError("bind", syscall.Errno(10048))}, "Port taken",
		"Another program already listens on 127.0.0.1:1080. Stop that program, then try again, or give the context another port in the settings.", 1, 91, 502, "proxy_internal_error"},

	{"listen twice, by whom", &held{taken, "nginx: master", 812}, "Port taken",
		"The program nginx: master, process 812, already listens on 127.0.0.1:1080. Stop that program, then try again, or give the context another port in the settings.", 1, 91, 502, "proxy_internal_error"},

	{"listen twice for a forward", &forwarded{&held{taken, "postgres", 812}}, "Port taken",
		"The program postgres, process 812, already listens on 127.0.0.1:1080. Stop that program, or choose another local port.", 1, 91, 502, "proxy_internal_error"},
	{"listen low for a forward", &forwarded{&net.OpError{Op: "listen", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, Err: os.NewSyscallError("bind", syscall.EACCES)}}, "Cannot listen",
		"This machine does not let Fairlead listen on 127.0.0.1:80. Choose a local port above 1023: those below, and ports the system keeps for itself, need more rights.", 1, 91, 502, "proxy_internal_error"},

	{"no file", &fs.PathError{Op: "open", Path: "/home/a/.kube/config", Err: syscall.ENOENT}, "No such file",
		"There is no file /home/a/.kube/config.", 1, 91, 502, "proxy_internal_error"},
	{"no right to a file", &fs.PathError{Op: "open", Path: "/root/config", Err: syscall.EACCES}, "File unusable",
		"You have no right to the file /root/config.", 1, 91, 502, "proxy_internal_error"},
	{"a broken file", &fs.PathError{Op: "read", Path: "/etc", Err: syscall.EISDIR}, "File unusable",
		"The file /etc cannot be used.", 1, 91, 502, "proxy_internal_error"},

	{"anything else", errors.New("context \"a\" names no cluster"), "Failed",
		"Context \"a\" names no cluster.", 1, 91, 502, "proxy_internal_error"},
	{"a file's own error", errors.New("/home/a/config: line 4: did not find expected key"), "Failed",
		"/home/a/config: line 4: did not find expected key.", 1, 91, 502, "proxy_internal_error"},
	{"nothing to say", errors.New(""), "Failed", "It failed without saying why.", 1, 91, 502, "proxy_internal_error"},
}, changeCauses...)

func TestEveryCauseHasItsSentenceAndItsCodes(t *testing.T) {
	for _, c := range causes {
		t.Run(c.name, func(t *testing.T) { c.check(t) })
	}
}

// check compares what is explained with what is wanted.
func (c cause) check(t *testing.T) {
	t.Helper()
	e := explain.Error(c.err)
	if e.Title != c.title {
		t.Errorf("title %q, want %q", e.Title, c.title)
	}
	if e.Text() != c.text {
		t.Errorf("text\n %q, want\n %q", e.Text(), c.text)
	}
	if e.SOCKS5 != c.socks5 || e.SOCKS4 != c.socks4 || e.Status != c.status || e.ProxyStatus != c.proxyStatus {
		t.Errorf("SOCKS5 %d, SOCKS4 %d, HTTP %d, Proxy-Status %s; want %d, %d, %d, %s",
			e.SOCKS5, e.SOCKS4, e.Status, e.ProxyStatus, c.socks5, c.socks4, c.status, c.proxyStatus)
	}
}

func TestWrappingHidesNoCause(t *testing.T) {
	for _, c := range causes {
		if c.err == nil || c.title == "Failed" {
			continue
		}
		for _, err := range []error{
			fmt.Errorf("dial web:80: %w", c.err),
			errors.Join(errors.New("first endpoint"), c.err),
		} {
			if got, want := explain.Error(err), explain.Error(c.err); got != want {
				t.Errorf("%s in %T: %+v, want %+v", c.name, err, got, want)
			}
		}
	}
}

func TestSentencesArePlain(t *testing.T) {
	for _, c := range causes[1:] {
		e := explain.Error(c.err)
		for _, text := range []string{e.Sentence, e.Hint} {
			if text != "" && !strings.HasSuffix(text, ".") || strings.ContainsAny(text, "\r\n\t") {
				t.Errorf("%s: %q is no sentence", c.name, text)
			}
		}
		if strings.HasSuffix(e.Title, ".") || e.Title == "" || utf8.RuneCountInString(e.Title) > 40 {
			t.Errorf("%s: %q is no title", c.name, e.Title)
		}
		if e.SOCKS5 == 0 || e.SOCKS5 > 8 || e.Status < 400 || e.Status > 599 {
			t.Errorf("%s: SOCKS5 %d, HTTP %d are no failures", c.name, e.SOCKS5, e.Status)
		}
	}
}

func TestTheFirstThingToFixIsReported(t *testing.T) {
	refused := &fault.Refused{Pod: "a", Namespace: "b", Port: 1}
	login := &fault.Login{Context: "c", Err: errors.New("x")}
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.Join(notReady, refused, login), "Login needed"},
		{errors.Join(context.DeadlineExceeded, refused), "Connection refused"},
		{&fault.Unreachable{Server: "s", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, "API server not reachable"},
	} {
		if got := explain.Error(c.err).Title; got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

func TestATakenPortIsNamedByItsAddress(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = net.Listen("tcp", first.Addr().String())
	if err == nil {
		t.Fatal("one port, two listeners")
	}
	e := explain.Error(err)
	want := "Another program already listens on " + first.Addr().String() + "."
	if e.Title != "Port taken" || e.Sentence != want {
		t.Errorf("%+v, want the sentence %q", e, want)
	}
}

func TestRealErrorsOfThisMachine(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	closed.Close()
	_, err = net.Dial("tcp", address)
	if got := explain.Error(err); got.SOCKS5 != 5 {
		t.Errorf("dial of a closed port (%v): %+v", err, got)
	}
	file := filepath.Join(t.TempDir(), "config")
	_, err = os.ReadFile(file)
	if got, want := explain.Short(err), "There is no file "+file+"."; got != want && !strings.HasSuffix(got, "…") {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestShortIsOneLineOfAMenu(t *testing.T) {
	if got := explain.Short(nil); got != "" {
		t.Errorf("nothing failed: %q", got)
	}
	long := strings.Repeat("long-name-", 40)
	for _, c := range causes {
		if n := utf8.RuneCountInString(explain.Short(c.err)); n > explain.ShortLength {
			t.Errorf("%s: %d characters", c.name, n)
		}
	}
	for _, err := range []error{
		&fault.NotFound{Kind: fault.Service, Name: long, Namespace: long},
		&fault.Unreachable{Server: long, Err: context.DeadlineExceeded},
		errors.New(strings.Repeat("é", 5000)),
	} {
		short := explain.Short(err)
		if n := utf8.RuneCountInString(short); n > explain.ShortLength || n < explain.ShortLength/2 {
			t.Errorf("%d characters: %q", n, short)
		}
		if !strings.HasSuffix(short, "…") || !utf8.ValidString(short) {
			t.Errorf("%q does not say that it was cut", short)
		}
	}
}

func TestSentencesNameTheTarget(t *testing.T) {
	for _, c := range causes {
		if !strings.Contains(strings.ToLower(c.text), "the target") {
			continue
		}
		said := explain.Error(c.err).For("db.example.com:5432")
		if strings.Count(said.Sentence, "db.example.com:5432") != 1 || strings.Contains(strings.ToLower(said.Sentence), "the target") {
			t.Errorf("%s: %s", c.name, said.Sentence)
		}
		if strings.Contains(explain.Error(c.err).For("a\nb").Sentence, "\n") {
			t.Errorf("%s: a line break is taken over", c.name)
		}
	}
	named := explain.Error(&fault.Refused{Pod: "a", Namespace: "b", Port: 1})
	if got := named.For("web:80"); got != named {
		t.Errorf("%+v", got)
	}
}

func TestCommandsInHintsNameTheContext(t *testing.T) {
	e := explain.Error(&fault.NoEndpoints{Namespace: "shop", Service: "web", NotReady: 3})
	for context, want := range map[string]string{
		"arn:aws:eks:eu-1:123:cluster/a": "“kubectl --context arn:aws:eks:eu-1:123:cluster/a get pods -n shop”",
		"a b; rm -rf ~":                  "“kubectl get pods -n shop”",
		"":                               "“kubectl get pods -n shop”",
	} {
		if got := e.In(context); !strings.Contains(got.Hint, want) || got.Sentence != e.Sentence {
			t.Errorf("in %q: %q", context, got.Text())
		}
	}
	login := explain.Error(&fault.Login{Context: "prod"})
	if got := login.In("prod"); got != login {
		t.Errorf("%+v", got)
	}
}

// crossOrigin is like proxy.CrossOriginError.
type crossOrigin struct{ target, origin string }

func (e crossOrigin) Error() string                        { return "another site's" }
func (e crossOrigin) Unwrap() error                        { return fs.ErrPermission }
func (e crossOrigin) CrossOrigin() (target, origin string) { return e.target, e.origin }

// publicError is like a proxy.RouteError with a text for pages.
type publicError struct {
	*routeError
	public string
}

func (e *publicError) PublicText() string { return e.public }

// closedOn is like proxy.NoAnswerError.
type closedOn struct {
	target   string
	repeated bool
}

func (e closedOn) Error() string                       { return "closed" }
func (e closedOn) Unwrap() error                       { return io.EOF }
func (e closedOn) Unanswered() (target string, _ bool) { return e.target, e.repeated }
