package explain_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"fairlead/app/explain"
	"fairlead/kube/fault"
	"fairlead/proxy/upstream"
)

// by is like the fault of a forward proxy on the way to a host outside.
type by struct {
	named, problem string
	error
}

func (b *by) ForwardProxy() (name, address, problem string) {
	return b.named, "proxy.example:3128", b.problem
}
func (b *by) Unwrap() error { return b.error }

// said is a text with an error of package net.
type said struct {
	text string
	word error
}

func (s *said) Error() string { return s.text }
func (s *said) Unwrap() error { return s.word }

var throughCauses = []cause{
	{"upstream out of reach", &by{"corp", "", &said{"network is unreachable (connection refused)", syscall.ENETUNREACH}}, "Proxy out of reach",
		"The upstream corp (proxy.example:3128) cannot be reached: network is unreachable (connection refused). The cluster is not concerned. Check that it runs, and its address. It is set in the settings, below upstreams.", 3, 91, 502, "destination_unavailable"},
	{"upstream silent", &by{"corp", "", context.DeadlineExceeded}, "Proxy out of reach",
		"The upstream corp (proxy.example:3128) does not answer. The cluster is not concerned. Check that it runs, and its address. It is set in the settings, below upstreams.", 3, 91, 502, "destination_unavailable"},
	{"proxy of the environment out of reach", &by{"", "", &said{"no route", syscall.ENETUNREACH}}, "Proxy out of reach",
		"The forward proxy proxy.example:3128 cannot be reached: no route. The cluster is not concerned. Check that it runs, and its address. It is set in the environment, as HTTPS_PROXY, HTTP_PROXY or ALL_PROXY.", 3, 91, 502, "destination_unavailable"},
	{"upstream not trusted", &by{"corp", "", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}}, "Proxy not trusted",
		"The certificate of the upstream corp (proxy.example:3128) is not one that is trusted: tls: failed to verify certificate: x509: certificate signed by unknown authority. If its authority is your company's own, name its file: ca, below upstreams in the settings; server-name, if the certificate has another name.", 3, 91, 502, "tls_certificate_error"},
	{"upstream wants a certificate", &by{"corp", "certificate", &said{"it wants a client certificate", fs.ErrPermission}}, "Certificate wanted",
		"The upstream corp (proxy.example:3128) does not let Fairlead in: it wants a client certificate. Name the files of one that it accepts: cert and key, below upstreams in the settings.", 3, 91, 502, "tls_certificate_error"},
	{"upstream wants a login", &by{"corp", "login", &said{"CONNECT was answered with 407", fs.ErrPermission}}, "Proxy wants a login",
		"The upstream corp (proxy.example:3128) wants a user and a password, and does not accept what it was given. Write them into its URL, or correct them. It is set in the settings, below upstreams.", 1, 91, 502, "proxy_configuration_error"},
	{"upstream refuses", &by{"corp", "denies", &said{"CONNECT was answered with 403 Forbidden (Access denied)", fs.ErrPermission}}, "Proxy refuses",
		"The upstream corp (proxy.example:3128) does not let the target be reached: CONNECT was answered with 403 Forbidden (Access denied). Its rules forbid it: ask the people who run it, or send the target by another route in the settings.", 2, 91, 403, "http_request_denied"},
	{"upstream reports a refusal", &by{"corp", "beyond", &said{"connection refused", syscall.ECONNREFUSED}}, "Connection refused",
		"The upstream corp (proxy.example:3128) reports that the target refused the connection: connection refused.", 5, 91, 502, "connection_refused"},
	{"upstream does not know the name", &by{"corp", "beyond", &said{"no such host", &net.DNSError{Name: "x", IsNotFound: true}}}, "Name not found",
		"The upstream corp (proxy.example:3128) reports that the target is not known to it: no such host.", 4, 91, 502, "dns_error"},
	{"upstream waited in vain", &by{"corp", "beyond", &said{"TTL expired", os.ErrDeadlineExceeded}}, "Timed out",
		"The upstream corp (proxy.example:3128) reports that the target did not answer in time: TTL expired.", 6, 91, 504, "connection_timeout"},
	{"upstream does not get there", &by{"corp", "beyond", &said{"CONNECT was answered with 503", syscall.EHOSTUNREACH}}, "Host unreachable",
		"The upstream corp (proxy.example:3128) reports that the target cannot be reached: CONNECT was answered with 503.", 4, 91, 502, "destination_unavailable"},
}

func TestAForwardProxysFaultIsItsOwn(t *testing.T) {
	for _, c := range throughCauses {
		t.Run(c.name, func(t *testing.T) {
			c.check(t)
			if public := explain.Error(c.err).Public(); !strings.HasPrefix(public, "The proxy on the way to the target ") || strings.Contains(public, "corp") || strings.Contains(public, "example") {
				t.Errorf("public is %s", public)
			}
		})
	}
}

// What is wrong on the way to the cluster in which a proxy runs is not the proxy's fault.
func TestTheWayToAProxyInTheClusterComesFirst(t *testing.T) {
	e := explain.Error(&by{"egress", "", &fault.Unreachable{Server: "api.example:6443", Err: syscall.ECONNREFUSED}})
	if !strings.Contains(e.Sentence, "API server's address api.example:6443") {
		t.Error(e.Sentence)
	}
}

// The table must know the errors that package upstream makes, by their method.
func TestErrorsOfPackageUpstreamAreKnown(t *testing.T) {
	for problem, title := range map[upstream.Problem]string{
		upstream.Unusable: "Proxy out of reach", upstream.Login: "Proxy wants a login", upstream.Denies: "Proxy refuses",
		upstream.Beyond: "Host unreachable", upstream.Certificate: "Certificate wanted",
	} {
		if e := explain.Error(&upstream.Error{Proxy: "p:1", Name: "corp", Problem: problem, Err: errors.New("x")}); e.Title != title {
			t.Errorf("%q: %s", problem, e.Title)
		}
	}
}
