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

// checkUsable returns why a context cannot be used, judging by its files alone: it runs no program and sends nothing.
// kubectl refuses such contexts too, but only when it connects, and mostly with other messages.
func (m *merged) checkUsable(entry contextEntry, context *clientcmdapi.Context) error {
	newProblem := func(kind, name, source string) fault.Kubeconfig {
		return fault.Kubeconfig{Entry: kind, Name: safetext.Clean(name), Source: source}
	}
	problem := newProblem("context", entry.name, entry.file)
	for _, part := range []entryKey{{"clusters", context.Cluster}, {"users", context.AuthInfo}} {
		if err := m.broken[part]; err != nil {
			broken := newProblem(strings.TrimSuffix(part.list, "s"), part.name, "")
			broken.Err = err
			return &broken
		}
	}
	if err := m.checkReferences(context); err != nil {
		problem.Err = err
		return &problem
	}
	for _, part := range []examinedEntry{m.examinedCluster(context.Cluster), m.examinedUser(context.AuthInfo)} {
		if part.err != nil {
			return part.err
		}
	}
	// Last, because the checks above have better messages, and keep client-go from opening files that are not regular.
	if problem.Err = m.clientGoErrors(entry.name, context); problem.Err != nil {
		return &problem
	}
	return nil
}

// checkReferences returns one error if a context names no cluster or no user, or one that does not exist. client-go
// returns up to three for that.
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

// checkCluster returns why a cluster's entry cannot be used: problem, which describes the entry, with the cause.
func (m *merged) checkCluster(problem fault.Kubeconfig, cluster *clientcmdapi.Cluster) error {
	if _, problem.Err = serverText(cluster.Server); problem.Err != nil {
		return &problem
	}
	if err := checkProxy(problem, cluster.ProxyURL); err != nil {
		return err
	}
	authority := len(cluster.CertificateAuthorityData) > 0 || cluster.CertificateAuthority != ""
	if authority && cluster.InsecureSkipTLSVerify {
		problem.Cause = fault.KubeconfigTrust
		return &problem
	}
	return m.checkPEM(problem, "certificate-authority", cluster.CertificateAuthority, cluster.CertificateAuthorityData, "CERTIFICATE")
}

// checkProxy checks a proxy-url. client-go's own error repeats it, and with it the proxy's password.
func checkProxy(problem fault.Kubeconfig, proxy string) error {
	u, err := url.Parse(proxy)
	switch {
	case proxy == "":
		return nil
	case err != nil:
		problem.Err = errors.New("its proxy-url is not a URL")
		return &problem
	case slices.Contains([]string{"http", "https", "socks5"}, u.Scheme):
		return nil
	}
	problem.Cause, problem.Value = fault.KubeconfigProxy, safetext.Clean(u.Scheme)
	return &problem
}

// checkUser returns why a user's entry cannot be used: problem, which describes the entry, with the cause.
func (m *merged) checkUser(problem fault.Kubeconfig, user *clientcmdapi.AuthInfo) error {
	if p := user.AuthProvider; p != nil && p.Name != "oidc" {
		problem.Cause, problem.Value = fault.KubeconfigProvider, safetext.Clean(p.Name)
		return &problem
	}
	if user.Exec != nil && user.Exec.Command != "" {
		if err := checkExec(problem, user.Exec); err != nil {
			return err
		}
	}
	if user.Token == "" && user.TokenFile != "" {
		if _, problem.Err = m.readNamedFile(user.TokenFile); problem.Err != nil {
			problem.Cause, problem.Field, problem.File = fault.KubeconfigFile, "tokenFile", user.TokenFile
			return &problem
		}
	}
	if len(user.ClientCertificateData) == 0 && user.ClientCertificate == "" {
		return nil
	}
	if len(user.ClientKeyData) == 0 && user.ClientKey == "" {
		problem.Cause = fault.KubeconfigKey
		return &problem
	}
	if err := m.checkPEM(problem, "client-certificate", user.ClientCertificate, user.ClientCertificateData, "CERTIFICATE"); err != nil {
		return err
	}
	return m.checkPEM(problem, "client-key", user.ClientKey, user.ClientKeyData, "PRIVATE KEY")
}

// checkExec checks the fields that say how to run a credential plugin.
func checkExec(problem fault.Kubeconfig, exec *clientcmdapi.ExecConfig) error {
	problem.Command = safetext.Clean(exec.Command)
	if v := exec.APIVersion; v != clientauthv1.SchemeGroupVersion.String() && v != clientauthv1beta1.SchemeGroupVersion.String() {
		problem.Cause, problem.Value = fault.KubeconfigVersion, safetext.Clean(v)
		return &problem
	}
	switch exec.InteractiveMode {
	case clientcmdapi.NeverExecInteractiveMode, clientcmdapi.IfAvailableExecInteractiveMode, clientcmdapi.AlwaysExecInteractiveMode:
		return nil
	}
	problem.Cause, problem.Value = fault.KubeconfigMode, safetext.Clean(string(exec.InteractiveMode))
	return &problem
}

// checkPEM checks that data, or the file if data is empty, has a PEM block of the given type. The server checks whether
// certificates and keys are valid and belong together.
func (m *merged) checkPEM(problem fault.Kubeconfig, field, file string, data []byte, blockType string) error {
	problem.Field, problem.File = field, file
	switch {
	case len(data) > 0:
		problem.Field, problem.File = field+"-data", ""
	case file == "":
		return nil
	default:
		if data, problem.Err = m.readNamedFile(file); problem.Err != nil {
			problem.Cause = fault.KubeconfigFile
			return &problem
		}
	}
	if !m.hasPEM(problem.File, data, blockType) {
		problem.Cause = fault.KubeconfigPEM
		return &problem
	}
	return nil
}

// A pemBlock is a type of PEM block in a file.
type pemBlock struct{ file, blockType string }

// hasPEM reports whether data, which is from file unless that is empty, has a PEM block of the given type. It searches a
// file, which many entries may name, only once.
func (m *merged) hasPEM(file string, data []byte, blockType string) bool {
	key := pemBlock{file, blockType}
	if has, known := m.blocks[key]; known {
		return has
	}
	has := false
	for block, rest := pem.Decode(data); block != nil && !has; block, rest = pem.Decode(rest) {
		has = strings.HasSuffix(block.Type, blockType)
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
