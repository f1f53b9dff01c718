package kube

import (
	"flag"

	"github.com/rs/zerolog"
	"k8s.io/klog/v2"

	"fairlead/proxy/safetext"
)

// LogTo sends what the Kubernetes libraries log of themselves, for the whole process, to log at debug level: by default
// they write to stderr. It is to be called once, before any Cluster is opened.
func LogTo(log zerolog.Logger) {
	klog.LogToStderr(false)
	// Lines of errors go to stderr as well unless klog's flags say otherwise, and once more for each level below.
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{"stderrthreshold": "FATAL", "one_output": "true"} {
		if err := flags.Set(name, value); err != nil {
			log.Debug().Err(err).Str("flag", name).Msg("klog knows no such flag")
		}
	}
	klog.SetOutput(klogLines{log.With().Str("from", "client-go").Logger()})
}

type klogLines struct{ log zerolog.Logger }

func (k klogLines) Write(line []byte) (int, error) {
	k.log.Debug().Msg(safetext.Line(string(line)))
	return len(line), nil
}
