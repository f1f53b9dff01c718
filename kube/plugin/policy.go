package plugin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	execauth "k8s.io/client-go/plugin/pkg/client/auth/exec"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/homedir"
	"sigs.k8s.io/yaml"
)

// checkPolicy returns an error unless the user's kuberc allows a command as a credential plugin, as kubectl checks it
// (Kubernetes 1.35 and later): its credentialPluginPolicy is AllowAll, which is the default, DenyAll, or Allowlist with
// names and paths in credentialPluginAllowlist. A kuberc that cannot be parsed allows none: kubectl would print a
// warning, which the user would not see here.
//
// The file is ~/.kube/kuberc, or the one that the environment variable KUBERC names; KUBERC=off and
// KUBECTL_KUBERC=false turn it off. It is read for each run, so that a change takes effect at once.
func checkPolicy(cmd *exec.Cmd) error {
	file, must := kubercFile()
	if file == "" {
		return nil
	}
	policy, err := readPolicy(file)
	if errors.Is(err, fs.ErrNotExist) && !must {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	switch policy.PolicyType {
	case "", clientcmdapi.PluginPolicyAllowAll:
		return nil
	case clientcmdapi.PluginPolicyDenyAll:
		return fmt.Errorf("%s allows no credential plugin", file)
	}
	if !isListed(cmd, policy.Allowlist) {
		return fmt.Errorf("%s does not have it in its credentialPluginAllowlist", file)
	}
	return nil
}

// kubercFile returns the file with the policy; empty if it is turned off. must reports whether it has to exist.
func kubercFile() (file string, must bool) {
	file = os.Getenv("KUBERC")
	switch {
	case file == "off", strings.EqualFold(os.Getenv("KUBECTL_KUBERC"), "false"):
		return "", false
	case file != "":
		return file, true
	}
	return filepath.Join(homedir.HomeDir(), ".kube", "kuberc"), false
}

// maxKuberc limits the file, in bytes.
const maxKuberc = 1 << 20

// readPolicy reads the first preferences of a kuberc, which may have several versions of them.
func readPolicy(file string) (clientcmdapi.PluginPolicy, error) {
	var policy clientcmdapi.PluginPolicy
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return policy, errors.New("it is not a regular file") // opening a pipe waits for its writer
	}
	f, err := os.Open(file)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return policy, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxKuberc))
	if err != nil {
		return policy, errors.New("it cannot be read")
	}
	documents := utilyaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(data)))
	defer documents.Close()
	some := false
	for {
		var document struct {
			APIVersion, Kind          string
			CredentialPluginPolicy    clientcmdapi.PolicyType
			CredentialPluginAllowlist []struct{ Name, Command string }
		}
		buffer := make([]byte, maxKuberc)
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return policy, errors.New("it cannot be read")
		}
		if len(bytes.TrimSpace(buffer[:n])) == 0 {
			continue
		}
		some = true
		if err := yaml.Unmarshal(buffer[:n], &document); err != nil ||
			!strings.HasPrefix(document.APIVersion, "kubectl.config.k8s.io/") || document.Kind != "Preference" {
			continue
		}
		policy.PolicyType = document.CredentialPluginPolicy
		for _, entry := range document.CredentialPluginAllowlist {
			command := entry.Command
			if command == "" {
				command = entry.Name
			}
			policy.Allowlist = append(policy.Allowlist, clientcmdapi.AllowlistEntry{Command: command})
		}
		return policy, execauth.ValidatePluginPolicy(policy)
	}
	if some {
		return policy, errors.New("it has no preferences that can be understood")
	}
	return policy, nil
}

// isListed reports whether the list has a command: as it is written in the kubeconfig, or as the program that it leads
// to. cmd will run the program that was found here.
func isListed(cmd *exec.Cmd, list []clientcmdapi.AllowlistEntry) bool {
	found, err := exec.LookPath(cmd.Path)
	if err != nil {
		found = ""
	} else {
		cmd.Path = found
	}
	for _, entry := range list {
		if entry.Command == cmd.Args[0] || entry.Command == found && found != "" {
			return true
		}
		if path, err := exec.LookPath(entry.Command); err == nil && path == found {
			return true
		}
	}
	return false
}
