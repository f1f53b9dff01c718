package instance

import (
	"maps"
	"slices"

	"fairlead/app/settings"
	"fairlead/kube/kubeconfig"
)

// certificateFiles returns the certificate files of the contexts' listeners, of their Konnectivity servers, of their egresses and
// of the upstreams.
func certificateFiles(k *kubeconfig.Config, s *settings.Settings) []string {
	var files []string
	for _, c := range k.Contexts {
		e := s.Effective(c.Name)
		if t := e.TLS; t != nil {
			files = append(files, t.Cert, t.Key, t.ClientCA)
		}
		files = append(files, e.KonnectivityFiles()...)
		files = append(files, e.Egress.Files()...)
	}
	return append(files, upstreamFiles(s)...)
}

// upstreamFiles returns the certificate files of the upstreams, in the order of their names.
func upstreamFiles(s *settings.Settings) []string {
	var files []string
	upstreams := s.Upstreams()
	for _, name := range slices.Sorted(maps.Keys(upstreams)) {
		files = append(files, upstreams[name].Files()...)
	}
	return files
}
