// Package instance is a running Fairlead, whether tray or serve: it owns the current kubeconfig and settings, the state
// on disk and the gateways. It follows changes of the files, restores what was on, and serves the control socket.
// Package session decides which contexts are on; package actions handles what is clicked.
package instance

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/explain"
	"fairlead/app/gateway"
	"fairlead/app/logging"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube/kubeconfig"
)

// An Instance is what tray and serve share: the current kubeconfig and settings, the state on disk, the log, and the
// gateways.
type Instance struct {
	Files
	Store    *settings.Store
	started  time.Time
	Log      zerolog.Logger
	Outputs  *logging.Outputs // Log is one of them
	Dir      string
	Gateways *gateway.Gateways
	drain    time.Duration // how long open connections may continue at the end; 0 is the default
	Changed  func()        // is called after the settings have changed, if it is set before Follow; it must not block
	updating sync.Mutex    // keeps updates of the model in the order in which the files were read
}

// Open reads the files and opens the log. It starts nothing else and sends nothing. Log lines for people also go to
// console, except for the problems in the files at the start, which the caller prints with PrintProblems. path names a
// kubeconfig file; an empty one stands for the files that kubectl would read.
func Open(path string, console io.Writer) (*Instance, error) {
	dir, err := settings.Dir()
	if err != nil {
		return nil, err
	}
	file, err := settings.ConfigFile()
	if err != nil {
		return nil, err
	}
	store, damage, err := settings.Open(dir)
	if err != nil {
		return nil, err
	}
	outputs := logging.Open(dir, os.Stdout, console)
	if damage != nil {
		outputs.Quiet.Warn().Err(damage).Msg("state file")
	}
	return open(&Instance{Files: Files{path: path, Settings: settings.Load(store, file), damage: damage}, Store: store, Outputs: outputs, Dir: dir}), nil
}

// OpenStateless is Open for a program that writes no file and may have no home directory, such as a sidecar: its state is in
// memory, its log is lines of JSON on stderr, and its Dir is empty. The settings are read if there is a place for them.
func OpenStateless(path string) *Instance {
	file, err := settings.ConfigFile()
	if err != nil {
		file = systemSettings
	}
	store := settings.OpenMemory()
	return open(&Instance{Files: Files{path: path, Settings: settings.Load(store, file)}, Store: store, Outputs: logging.OpenJSON(os.Stdout, os.Stderr), drain: SidecarDrain})
}

// SidecarDrain is how long open connections may continue when a program without state ends. It is less than the time
// that the program has to end.
const SidecarDrain = 8 * time.Second

// systemSettings is where the settings are if there is no home directory.
const systemSettings = "/etc/fairlead/config.yaml"

// open reads the kubeconfig.
func open(p *Instance) *Instance {
	p.started, p.Log = time.Now().Round(0), p.Outputs.Log
	UseKubeconfigs(p.path, p.Settings)
	p.Gateways = p.NewGateways(nil)
	p.setKubeconfig(kubeconfig.Load(p.path), p.Outputs.Quiet)
	if err := p.Settings.Problem(); err != nil {
		p.Outputs.Quiet.Warn().Err(err).Msg("settings")
	}
	return p
}

// Close closes the log.
func (p *Instance) Close() { p.Outputs.Close() }

// UpdateModel passes the current kubeconfig and settings to the model.
func (p *Instance) UpdateModel(ctx context.Context, model *session.Manager) error {
	p.updating.Lock()
	defer p.updating.Unlock()
	k := p.Kubeconfig.Load()
	stamps := gateway.FileStamps(upstreamFiles(p.Settings)...)
	var entries []session.Entry
	for _, c := range k.Contexts {
		entries = append(entries, entryOf(c, p.Settings.Effective(c.Name), stamps))
	}
	return model.Do(ctx, session.SetContexts{
		Entries: entries, Problems: p.KubeconfigProblems(), SettingsProblems: p.SettingsProblems(), Sources: sources(k.Files),
	})
}

// NewGateways returns the gateways of this instance. failed is a gateway.Config's Failed, or nil.
func (p *Instance) NewGateways(failed func(context, target string, said explain.Explanation, whole bool)) *gateway.Gateways {
	return gateway.New(gateway.Config{Kubeconfig: p.Kubeconfig.Load, Settings: p.Settings, Failed: failed, Drain: p.drain, Log: p.Log})
}

// NewCapturing is NewGateways for captured programs.
func (p *Instance) NewCapturing(failed func(context, target string, said explain.Explanation, whole bool)) *gateway.Gateways {
	return gateway.New(gateway.Config{Kubeconfig: p.Kubeconfig.Load, Settings: p.Settings, Failed: failed, Captured: true, Drain: p.drain, Log: p.Log})
}

// NewModel returns the model of this instance. It sets Start, Reason and Log of c.
func (p *Instance) NewModel(c session.Config) *session.Manager {
	c.Start, c.Reason, c.Log = p.Gateways.Start, gateway.Reason, p.Log
	return session.New(c)
}
