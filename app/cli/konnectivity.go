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
	if err := makeAbsolute(&k.CA, &k.Cert, &k.Key); err != nil {
		return err
	}
	if err := gateway.CheckKonnectivity(k); err != nil {
		return &command.UsageError{Err: fmt.Errorf("--konnectivity-ca, --konnectivity-cert, --konnectivity-key: %w", err)}
	}
	p.Settings.UseKonnectivity(name, k)
	return nil
}

// makeAbsolute makes the paths of files that the command line names absolute, except for empty ones.
func makeAbsolute(paths ...*string) (err error) {
	for _, path := range paths {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	return nil
}
