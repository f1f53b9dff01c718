package kube

import (
	"flag"

	"github.com/rs/zerolog"
	"k8s.io/klog/v2"

	"fairlead/proxy/safetext"
)

// LogTo makes the Kubernetes libraries of the whole process log to log, at debug level, instead of stderr. It is called
// once, before any Cluster is opened.
func LogTo(log zerolog.Logger) {
	klog.LogToStderr(false)
	// By default klog also writes errors to stderr, and each line once more for every lower level.
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{"stderrthreshold": "FATAL", "one_output": "true"} {
		if err := flags.Set(name, value); err != nil {
			log.Debug().Err(err).Str("flag", name).Msg("klog flag not set")
		}
	}
	klog.SetOutput(klogLines{log.With().Str("from", "client-go").Logger()})
}

type klogLines struct{ log zerolog.Logger }

func (k klogLines) Write(line []byte) (int, error) {
	k.log.Debug().Msg(safetext.Line(string(line)))
	return len(line), nil
}
