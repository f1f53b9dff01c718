package main

import (
	"io"
	stdlog "log"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"gopkg.in/natefinch/lumberjack.v2"

	"fairlead/kube"
)

// logName is the file in the state directory; older ones stand beside it with their date.
const logName = "fairlead.log"

// openLog logs to dir/fairlead.log, every connection, and what matters to a person also to stderr. The closer ends the
// file. A log that cannot be written is no reason not to start: then stderr alone has it.
func openLog(dir string, stderr io.Writer) (zerolog.Logger, io.Closer) {
	// A tray and a serve may write to one file: made here, it is opened to append, and neither overwrites the other.
	if made, err := os.OpenFile(filepath.Join(dir, logName), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err == nil {
		_ = made.Close() // nothing was written
	}
	file := &lumberjack.Logger{Filename: filepath.Join(dir, logName), MaxSize: 10, MaxBackups: 3}
	console := &levelled{
		Writer: zerolog.ConsoleWriter{Out: stderr, TimeFormat: "15:04:05", NoColor: !isTerminal(stderr)},
		from:   zerolog.InfoLevel,
	}
	log := zerolog.New(zerolog.MultiLevelWriter(file, console)).With().Timestamp().Logger()
	kube.LogTo(log)
	// Libraries that know no better write there, to stderr: the panel's says so that it waits for one.
	stdlog.SetFlags(0)
	stdlog.SetOutput(log.With().Str("from", "library").Logger())
	return log, file
}

// levelled passes on lines of a level and above.
type levelled struct {
	io.Writer
	from zerolog.Level
}

func (l *levelled) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	if level < l.from {
		return len(line), nil
	}
	return l.Write(line)
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
