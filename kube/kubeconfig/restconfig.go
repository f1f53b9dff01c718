package kubeconfig

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// RESTConfig returns what client-go needs to talk to the API server of one context, and the context. It reads the files
// that the kubeconfig names; it sends nothing to a server and runs no credential plugin. It returns an error for a
// context that cannot be used.
func (k *Config) RESTConfig(context string) (*rest.Config, Context, error) {
	if k.merged == nil {
		return nil, Context{}, fmt.Errorf("no context %q in the kubeconfig", context)
	}
	return k.merged.restConfig(context)
}

func (m *merged) restConfig(name string) (*rest.Config, Context, error) {
	now := *m // so that the files that entries name are read again
	now.examination = newExamination()
	for _, entry := range m.contexts {
		if entry.name != name {
			continue
		}
		context := now.context(entry)
		if context.Err != nil {
			return nil, context, fmt.Errorf("context %q: %w", name, context.Err)
		}
		config, err := clientcmd.NewNonInteractiveClientConfig(*m.config, name, nil, loadingRules(m.path)).ClientConfig()
		if err != nil {
			return nil, context, fmt.Errorf("context %q: %w", name, err)
		}
		if config.AuthProvider != nil {
			config.AuthConfigPersister = m.providerEntry(m.config.Contexts[name].AuthInfo)
		}
		// Requests are sent one at a time, when a client connects: a limiter would only make that client wait.
		config.QPS = -1
		config.UserAgent = userAgent()
		config.WarningHandler = rest.NoWarnings{}
		return config, context, nil
	}
	return nil, Context{}, fmt.Errorf("no context %q in the kubeconfig", name)
}

// userAgent returns the name of this program in the cluster's audit log.
func userAgent() string {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
	return fmt.Sprintf("fairlead/%s (%s/%s)", version, runtime.GOOS, runtime.GOARCH)
}
