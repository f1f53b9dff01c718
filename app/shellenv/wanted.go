package shellenv

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// taken are the names of the variables that are applied: those for finding programs and kubeconfigs, and for proxies.
var taken = []string{
	"PATH", "KUBECONFIG", "KUBERC", "KREW_ROOT", "USE_GKE_GCLOUD_AUTH_PLUGIN",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
	"PYENV_ROOT", "BROWSER",
}

// takenPrefixes are the prefixes of names that clouds, credential plugins and tool managers use.
var takenPrefixes = []string{
	"AWS_", "AZURE_", "ARM_", "AAD_", "GOOGLE_", "CLOUDSDK_", "GCLOUD_", "OCI_", "OS_", "DIGITALOCEAN_", "LINODE_", "HCLOUD_", "IBMCLOUD_",
	"KUBELOGIN_", "TELEPORT_", "TSH_", "OKTA_", "VAULT_", "SAML2AWS_", "GRANTED_", "ASDF_", "MISE_", "NIX_",
}

// Wanted reports whether a variable of the login shell is applied. Variables of the desktop's session, such as DISPLAY
// and XDG's directories, are not, nor are those of a terminal.
func Wanted(name string) bool {
	return slices.Contains(taken, name) ||
		slices.ContainsFunc(takenPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// Apply sets variables, each as NAME=value, in this program's environment, and returns the names of those that changed,
// sorted.
func Apply(variables []string) (changed []string, err error) {
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		if now, set := os.LookupEnv(name); set && now == value {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return changed, err
		}
		changed = append(changed, name)
	}
	slices.Sort(changed)
	return changed, nil
}

// UsualPath returns a PATH with the usual directories of credential plugins appended, if they exist. It is for the case
// that no shell could be run.
func UsualPath(path string) string {
	folders := filepath.SplitList(path)
	usual := []string{"/usr/local/bin", "/opt/homebrew/bin", "/snap/bin", "/home/linuxbrew/.linuxbrew/bin"}
	if home, err := os.UserHomeDir(); err == nil {
		for _, below := range []string{".local/bin", "bin", "google-cloud-sdk/bin", ".krew/bin", ".asdf/shims", ".local/share/mise/shims"} {
			usual = append(usual, filepath.Join(home, below))
		}
	}
	for _, folder := range usual {
		if info, err := os.Stat(folder); err == nil && info.IsDir() && !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	return strings.Join(folders, string(os.PathListSeparator))
}
