package cli

import (
	"errors"
	"fmt"
	"path/filepath"

	"fairlead/app/command"
	"fairlead/app/gateway"
	"fairlead/app/instance"
	"fairlead/app/settings"
)

// useKonnectivity makes a Konnectivity server carry a context's connections. It reads the files, so that what is wrong with them
// ends the command.
func useKonnectivity(p *instance.Instance, o command.Options, name string) error {
	k := settings.Konnectivity{Server: o.KonnectivityServer, CA: o.KonnectivityCA, Cert: o.KonnectivityCert, Key: o.KonnectivityKey, Mode: o.KonnectivityMode, DNS: o.DNS}
	if wrong := k.Wrong(); wrong != "" {
		return &command.UsageError{Err: errors.New(wrong)}
	}
	for _, file := range []*string{&k.CA, &k.Cert, &k.Key} {
		if *file == "" {
			continue
		}
		full, err := filepath.Abs(*file)
		if err != nil {
			return err
		}
		*file = full
	}
	if err := gateway.CheckKonnectivity(k); err != nil {
		return &command.UsageError{Err: fmt.Errorf("--konnectivity-ca, --konnectivity-cert, --konnectivity-key: %w", err)}
	}
	p.Settings.UseKonnectivity(name, k)
	return nil
}
