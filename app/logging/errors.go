package logging

import (
	"github.com/rs/zerolog"

	"fairlead/proxy/safetext"
)

// init has every error go into the log as one line without what may be a secret, whoever logs it: an error may quote a server.
func init() {
	zerolog.ErrorMarshalFunc = func(err error) any {
		if err == nil {
			return nil
		}
		return safetext.Line(err.Error())
	}
}
