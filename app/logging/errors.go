package logging

import (
	"github.com/rs/zerolog"

	"fairlead/proxy/safetext"
)

// init makes every error in the log a single line with secrets masked, because an error may quote a server.
func init() {
	zerolog.ErrorMarshalFunc = func(err error) any {
		if err == nil {
			return nil
		}
		return safetext.Line(err.Error())
	}
}
