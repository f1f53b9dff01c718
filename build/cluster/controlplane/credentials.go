package controlplane

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/build/cluster/pki"
)

// NodeName is the name of the only node, which is in its certificate.
const NodeName = "node-1"

// KubeletClient is the common name of the certificate with which the API server connects to the kubelet.
const KubeletClient = "kube-apiserver-kubelet-client"

const auditPolicy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n"

// login is one user of a kubeconfig: with a certificate if file is set, otherwise with a token.
type login struct {
	context, namespace, user string
	file                     string
	token                    string
}

func (c *ControlPlane) writeCredentials() error {
	if err := os.Mkdir(c.path("pki"), 0o700); err != nil {
		return err
	}
	authority, err := pki.NewAuthority("cluster-ca")
	if err != nil {
		return err
	}
	c.Authority = authority
	loopback := []net.IP{net.IPv4(127, 0, 0, 1)}
	node := loopback
	if c.config.NodeAddress != nil {
		node = []net.IP{loopback[0], c.config.NodeAddress}
	}
	subjects := map[string]pki.Subject{
		"apiserver": {
			CommonName: "kube-apiserver",
			Names:      []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
			Addresses:  append(loopback, net.IPv4(10, 96, 0, 1)),
		},
		"apiserver-kubelet":  {CommonName: KubeletClient, Groups: []string{"system:masters"}},
		"kubelet":            {CommonName: "system:node:" + NodeName, Groups: []string{"system:nodes"}, Names: []string{NodeName}, Addresses: node},
		"controller-manager": {CommonName: "system:kube-controller-manager"},
		"scheduler":          {CommonName: "system:kube-scheduler"},
		"admin":              {CommonName: "admin", Groups: []string{"system:masters"}},
		"alice":              {CommonName: "alice", Groups: []string{"dev"}},
	}
	for name, subject := range subjects {
		pair, err := authority.Issue(subject)
		if err != nil {
			return err
		}
		if err := c.write("pki/"+name+".crt", pair.CertPEM); err != nil {
			return err
		}
		if err := c.write("pki/"+name+".key", pair.KeyPEM); err != nil {
			return err
		}
	}
	private, public, err := pki.SigningKey()
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"pki/ca.crt": authority.CertPEM, "pki/sa.key": private, "pki/sa.pub": public,
		"audit-policy.yaml": []byte(auditPolicy),
	} {
		if err := c.write(name, content); err != nil {
			return err
		}
	}
	return c.writeKubeconfigs()
}

// writeKubeconfigs writes a file for each component and those for people and tests; tokens.csv lists the users that log
// in with a token (Kubernetes documentation, "Static token file").
func (c *ControlPlane) writeKubeconfigs() error {
	tokens := map[string]string{}
	var lines strings.Builder
	for _, user := range []struct{ name, groups string }{
		{"admin", "system:masters"}, {"alice", "dev"}, {"bob", ""}, {"carol", ""},
	} {
		token := rand.Text() + rand.Text()
		tokens[user.name] = token
		fmt.Fprintf(&lines, "%s,%s,%s,%q\n", token, user.name, user.name, user.groups)
	}
	if err := c.write("pki/tokens.csv", []byte(lines.String())); err != nil {
		return err
	}
	for name, logins := range map[string][]login{
		"pki/kubelet.kubeconfig":            {{context: "node", user: "node", file: "kubelet"}},
		"pki/controller-manager.kubeconfig": {{context: "kcm", user: "kcm", file: "controller-manager"}},
		"pki/scheduler.kubeconfig":          {{context: "scheduler", user: "scheduler", file: "scheduler"}},
		"kubeconfig": {
			{context: "demo", namespace: "default", user: "admin", file: "admin"},
			{context: "demo-team", namespace: "team", user: "alice", file: "alice"},
		},
		"kubeconfig-token": {
			{context: "demo-token", namespace: "team", user: "bob", token: tokens["bob"]},
			{context: "demo-reader", namespace: "team", user: "carol", token: tokens["carol"]},
		},
	} {
		if err := c.writeKubeconfig(name, c.Server, logins); err != nil {
			return err
		}
	}
	c.middlebox = []login{
		{context: "demo", namespace: "default", user: "admin", token: tokens["admin"]},
		{context: "demo-team", namespace: "team", user: "alice", token: tokens["alice"]},
	}
	return nil
}

// WriteMiddleboxKubeconfig writes STATE/kubeconfig-middlebox for a server in front of the API server. Its users log in
// with a token, since a client certificate does not pass a server that ends TLS.
func (c *ControlPlane) WriteMiddleboxKubeconfig(server string) error {
	return c.writeKubeconfig("kubeconfig-middlebox", server, c.middlebox)
}

func (c *ControlPlane) writeKubeconfig(name, server string, logins []login) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["cluster"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: c.Authority.CertPEM}
	config.CurrentContext = logins[0].context
	for _, l := range logins {
		user := &clientcmdapi.AuthInfo{Token: l.token}
		if l.file != "" {
			var err error
			if user.ClientCertificateData, err = os.ReadFile(c.path("pki", l.file+".crt")); err != nil {
				return err
			}
			if user.ClientKeyData, err = os.ReadFile(c.path("pki", l.file+".key")); err != nil {
				return err
			}
		}
		config.AuthInfos[l.user] = user
		config.Contexts[l.context] = &clientcmdapi.Context{Cluster: "cluster", AuthInfo: l.user, Namespace: l.namespace}
	}
	content, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return c.write(name, content)
}

func (c *ControlPlane) write(name string, content []byte) error {
	return os.WriteFile(c.path(filepath.FromSlash(name)), content, 0o600)
}
