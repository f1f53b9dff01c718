package kube

import (
	"bytes"

	"github.com/rs/zerolog"
	"k8s.io/klog/v2"

	"fairlead/proxy/safetext"
)

// LogTo sends what the Kubernetes libraries log of themselves, for the whole process, to log at debug level: by default
// they write to stderr. It is to be called once, before any Cluster is opened.
func LogTo(log zerolog.Logger) {
	klog.LogToStderr(false)
	klog.SetOutput(klogLines{log.With().Str("from", "client-go").Logger()})
}

type klogLines struct{ log zerolog.Logger }

func (k klogLines) Write(line []byte) (int, error) {
	k.log.Debug().Msg(safetext.Mask(string(bytes.TrimSpace(line))))
	return len(line), nil
}
