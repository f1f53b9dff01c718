package fault

import "fmt"

// A KubeconfigCause is what is wrong with an entry of a kubeconfig, as far as it is of a known kind.
type KubeconfigCause string

// What can be wrong with an entry of a kubeconfig.
const (
	KubeconfigOther    KubeconfigCause = ""         // as Err says
	KubeconfigName     KubeconfigCause = "name"     // the context's name has characters that cannot be shown
	KubeconfigFile     KubeconfigCause = "file"     // File, which Field names, cannot be read, for which Err has the reason
	KubeconfigPEM      KubeconfigCause = "pem"      // what Field has or names is not PEM; File is empty for data
	KubeconfigTrust    KubeconfigCause = "trust"    // a certificate authority, and insecure-skip-tls-verify as well
	KubeconfigProxy    KubeconfigCause = "proxy"    // the proxy-url has a scheme, Value, that no client knows
	KubeconfigProvider KubeconfigCause = "provider" // an auth-provider, Value, that clients no longer have
	KubeconfigVersion  KubeconfigCause = "version"  // a credential plugin's apiVersion, Value, is unknown; empty if there is none
	KubeconfigMode     KubeconfigCause = "mode"     // a credential plugin's interactiveMode, Value, is unknown; empty if there is none
	KubeconfigKey      KubeconfigCause = "key"      // a client certificate without its key
	KubeconfigHidden   KubeconfigCause = "hidden"   // no error: what Value names in File does not count, because Source has it too and comes first
)

// A Kubeconfig is an entry of a kubeconfig that cannot work, which is known without a request to a server.
type Kubeconfig struct {
	Cause   KubeconfigCause
	Entry   string // the kind of the entry: "context", "cluster" or "user"
	Name    string // the entry's
	Source  string // the kubeconfig file that has the entry; empty if unknown
	Field   string // "certificate-authority"
	File    string
	Value   string
	Command string // of a credential plugin
	Err     error  // without anything from the file that may be a secret; nil if Cause says it all
}

func (e *Kubeconfig) Error() string {
	entry := fmt.Sprintf("its %s %q", e.Entry, e.Name)
	switch e.Cause {
	case KubeconfigName:
		return "its name has characters that cannot be shown"
	case KubeconfigFile:
		return fmt.Sprintf("%s: %s %s: %v", entry, e.Field, e.File, e.Err)
	case KubeconfigPEM:
		return fmt.Sprintf("%s: its %s%s is not in PEM form", entry, e.Field, prefixed(" ", e.File))
	case KubeconfigTrust:
		return entry + ": has both a certificate authority and insecure-skip-tls-verify"
	case KubeconfigProxy:
		return fmt.Sprintf("%s: its proxy-url has the scheme %q, not http, https or socks5", entry, e.Value)
	case KubeconfigProvider:
		return fmt.Sprintf("%s: there is no auth provider %q", entry, e.Value)
	case KubeconfigVersion:
		return fmt.Sprintf("%s: its exec has the apiVersion %q", entry, e.Value)
	case KubeconfigMode:
		return fmt.Sprintf("%s: its exec has the interactiveMode %q", entry, e.Value)
	case KubeconfigHidden:
		return fmt.Sprintf("%s of %s does not count: %s has that name too, and comes first", e.Value, e.File, e.Source)
	case KubeconfigKey:
		return entry + ": has a client certificate without its key"
	}
	if e.Entry == "context" {
		return fmt.Sprint(e.Err)
	}
	return fmt.Sprintf("%s: %v", entry, e.Err)
}

// Unwrap returns the reason.
func (e *Kubeconfig) Unwrap() error { return e.Err }
