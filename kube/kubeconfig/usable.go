package kubeconfig

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	clientauthv1 "k8s.io/client-go/pkg/apis/clientauthentication/v1"
	clientauthv1beta1 "k8s.io/client-go/pkg/apis/clientauthentication/v1beta1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/kube/fault"
	"fairlead/proxy/safetext"
)

// checkUsable returns why a context cannot be used, as far as its files show: it runs nothing and sends nothing. Each
// of these reasons stops kubectl, too, although only when it connects, and mostly in other words.
func (m *merged) checkUsable(entry contextEntry, context *clientcmdapi.Context) error {
	of := func(kind, name, source string) fault.Kubeconfig {
		return fault.Kubeconfig{Entry: kind, Name: safetext.Clean(name), Source: source}
	}
	own := of("context", entry.name, entry.file)
	for _, part := range []entryKey{{"clusters", context.Cluster}, {"users", context.AuthInfo}} {
		if err := m.broken[part]; err != nil {
			broken := of(strings.TrimSuffix(part.list, "s"), part.name, "")
			broken.Err = err
			return &broken
		}
	}
	if err := m.checkReferences(context); err != nil {
		own.Err = err
		return &own
	}
	for _, part := range []examinedEntry{m.examinedCluster(context.Cluster), m.examinedUser(context.AuthInfo)} {
		if part.err != nil {
			return part.err
		}
	}
	// The checks above say more than client-go's, and keep it from opening files that are not regular ones.
	if own.Err = m.clientGoErrors(entry.name, context); own.Err != nil {
		return &own
	}
	return nil
}

// checkReferences returns what is wrong with the names of a context's cluster and user, for which client-go returns up
// to three errors.
func (m *merged) checkReferences(context *clientcmdapi.Context) error {
	var unnamed, missing []string
	switch {
	case context.Cluster == "":
		unnamed = append(unnamed, "cluster")
	case m.config.Clusters[context.Cluster] == nil:
		missing = append(missing, fmt.Sprintf("the cluster %q", safetext.Clean(context.Cluster)))
	}
	switch {
	case context.AuthInfo == "":
		unnamed = append(unnamed, "user")
	case m.config.AuthInfos[context.AuthInfo] == nil:
		missing = append(missing, fmt.Sprintf("the user %q", safetext.Clean(context.AuthInfo)))
	}
	var parts []string
	if len(unnamed) > 0 {
		parts = append(parts, "names no "+strings.Join(unnamed, " and no "))
	}
	if len(missing) > 0 {
		parts = append(parts, "names "+strings.Join(missing, " and ")+", which the kubeconfig does not have")
	}
	if len(parts) == 0 {
		return nil
	}
	return errors.New("it " + strings.Join(parts, ", and "))
}

// checkCluster returns why a cluster's entry, which is described by is, cannot be used.
func (m *merged) checkCluster(is fault.Kubeconfig, cluster *clientcmdapi.Cluster) error {
	if _, is.Err = serverText(cluster.Server); is.Err != nil {
		return &is
	}
	if err := checkProxy(is, cluster.ProxyURL); err != nil {
		return err
	}
	authority := len(cluster.CertificateAuthorityData) > 0 || cluster.CertificateAuthority != ""
	if authority && cluster.InsecureSkipTLSVerify {
		is.Cause = fault.KubeconfigTrust
		return &is
	}
	return m.checkPEM(is, "certificate-authority", cluster.CertificateAuthority, cluster.CertificateAuthorityData, "CERTIFICATE")
}

// checkProxy checks a proxy-url. client-go's own error repeats it, and with it the proxy's password.
func checkProxy(is fault.Kubeconfig, proxy string) error {
	u, err := url.Parse(proxy)
	switch {
	case proxy == "":
		return nil
	case err != nil:
		is.Err = errors.New("its proxy-url is not a URL")
		return &is
	case slices.Contains([]string{"http", "https", "socks5"}, u.Scheme):
		return nil
	}
	is.Cause, is.Value = fault.KubeconfigProxy, safetext.Clean(u.Scheme)
	return &is
}

// checkUser returns why a user's entry, which is described by is, cannot be used.
func (m *merged) checkUser(is fault.Kubeconfig, user *clientcmdapi.AuthInfo) error {
	if p := user.AuthProvider; p != nil && p.Name != "oidc" {
		is.Cause, is.Value = fault.KubeconfigProvider, safetext.Clean(p.Name)
		return &is
	}
	if user.Exec != nil && user.Exec.Command != "" {
		if err := checkExec(is, user.Exec); err != nil {
			return err
		}
	}
	if user.Token == "" && user.TokenFile != "" {
		if _, is.Err = m.readNamedFile(user.TokenFile); is.Err != nil {
			is.Cause, is.Field, is.File = fault.KubeconfigFile, "tokenFile", user.TokenFile
			return &is
		}
	}
	if len(user.ClientCertificateData) == 0 && user.ClientCertificate == "" {
		return nil
	}
	if len(user.ClientKeyData) == 0 && user.ClientKey == "" {
		is.Cause = fault.KubeconfigKey
		return &is
	}
	if err := m.checkPEM(is, "client-certificate", user.ClientCertificate, user.ClientCertificateData, "CERTIFICATE"); err != nil {
		return err
	}
	return m.checkPEM(is, "client-key", user.ClientKey, user.ClientKeyData, "PRIVATE KEY")
}

// checkExec checks how a credential plugin is to be run.
func checkExec(is fault.Kubeconfig, exec *clientcmdapi.ExecConfig) error {
	is.Command = safetext.Clean(exec.Command)
	if v := exec.APIVersion; v != clientauthv1.SchemeGroupVersion.String() && v != clientauthv1beta1.SchemeGroupVersion.String() {
		is.Cause, is.Value = fault.KubeconfigVersion, safetext.Clean(v)
		return &is
	}
	switch exec.InteractiveMode {
	case clientcmdapi.NeverExecInteractiveMode, clientcmdapi.IfAvailableExecInteractiveMode, clientcmdapi.AlwaysExecInteractiveMode:
		return nil
	}
	is.Cause, is.Value = fault.KubeconfigMode, safetext.Clean(string(exec.InteractiveMode))
	return &is
}

// checkPEM checks whether there is a PEM block of a type in data or in a file. Whether certificates and keys are valid
// and belong together is left to the server.
func (m *merged) checkPEM(is fault.Kubeconfig, field, file string, data []byte, block string) error {
	is.Field, is.File = field, file
	switch {
	case len(data) > 0:
		is.Field, is.File = field+"-data", ""
	case file == "":
		return nil
	default:
		if data, is.Err = m.readNamedFile(file); is.Err != nil {
			is.Cause = fault.KubeconfigFile
			return &is
		}
	}
	if !m.hasPEM(is.File, data, block) {
		is.Cause = fault.KubeconfigPEM
		return &is
	}
	return nil
}

// A pemBlock is a type of PEM block in a file.
type pemBlock struct{ file, block string }

// hasPEM reports whether there is a PEM block of a type in data. It checks a file, which many entries may name, once.
func (m *merged) hasPEM(file string, data []byte, block string) bool {
	key := pemBlock{file, block}
	if found, known := m.blocks[key]; known {
		return found
	}
	has := false
	for found, rest := pem.Decode(data); found != nil && !has; found, rest = pem.Decode(rest) {
		has = strings.HasSuffix(found.Type, block)
	}
	if file != "" {
		m.blocks[key] = has
	}
	return has
}

// readNamedFile reads a file that the kubeconfig names, once for all entries that name it.
func (m *merged) readNamedFile(file string) ([]byte, error) {
	c, ok := m.named[file]
	if !ok {
		c.data, c.err = ReadBounded(file)
		m.named[file] = c
	}
	return c.data, c.err
}
