// Package logging writes Fairlead's log file, and lines for people to the console. Writing never waits for a disk or a
// console.
package logging

import (
	"fmt"
	"io"
	stdlog "log"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"gopkg.in/natefinch/lumberjack.v2"

	"fairlead/app/ownfile"
	"fairlead/app/spool"
	"fairlead/app/table"
	"fairlead/kube"
	"fairlead/proxy/safetext"
)

// FileName is the log's name in the state directory. Older logs are next to it, with their date.
const FileName = "fairlead.log"

// flushTimeout bounds how long the end of the program waits for a console or a disk.
const flushTimeout = time.Second

// Outputs are the destinations of a program that runs proxies: the log's file, stderr and stdout. Each has a goroutine
// that writes, so that no one else waits for a console that is not read or a disk that hangs.
type Outputs struct {
	Log                  zerolog.Logger
	Quiet                zerolog.Logger // the log's file only, for what people see elsewhere
	Out                  io.Writer      // stdout, for whole lines
	Err                  io.Writer      // stderr, for whole lines
	file, stderr, stdout *spool.Writer
	close                func() error // of the file
}

// Open opens the log, dir/fairlead.log. Every connection is logged there, and what matters to people also on stderr. If
// the file cannot be written, stderr alone is used. Close ends what Open starts.
func Open(dir string, stdout, stderr io.Writer) *Outputs {
	o := &Outputs{
		stdout: spool.New(spool.Config{To: stdout}),
		stderr: spool.New(spool.Config{To: stderr, Lost: func(n int) []byte {
			return fmt.Appendf(nil, "fairlead: %d lines are missing here, because nothing read them; the log file has them\n", n)
		}}),
	}
	o.Out, o.Err = o.stdout, o.stderr
	console := &levelled{
		Writer: ForPeople(o.stderr, stderr, "15:04:05"),
		from:   zerolog.InfoLevel,
	}
	file := &logFile{path: filepath.Join(dir, FileName)}
	o.close = file.Close
	o.file = spool.New(spool.Config{
		To: file,
		Lost: func(n int) []byte {
			return fmt.Appendf(nil, `{"level":"warn","lines":%d,"time":%q,"message":"lines are missing here"}`+"\n", n, time.Now().Format(zerolog.TimeFieldFormat))
		},
		Failed: func(err error) {
			alone := zerolog.New(console).With().Timestamp().Logger()
			alone.Warn().Err(err).Msg("the log file cannot be written")
		},
	})
	o.Log = zerolog.New(zerolog.MultiLevelWriter(o.file, console)).With().Timestamp().Logger()
	o.Quiet = zerolog.New(o.file).With().Timestamp().Logger()
	o.start()
	return o
}

// OpenJSON opens a log without a file: lines of JSON on stderr, including the lines for people.
func OpenJSON(stdout, stderr io.Writer) *Outputs {
	o := &Outputs{
		stdout: spool.New(spool.Config{To: stdout}),
		stderr: spool.New(spool.Config{To: stderr, Lost: func(n int) []byte {
			return fmt.Appendf(nil, `{"level":"warn","lines":%d,"time":%q,"message":"lines are missing here"}`+"\n", n, time.Now().Format(zerolog.TimeFieldFormat))
		}}),
		file:  spool.New(spool.Config{To: io.Discard}),
		close: func() error { return nil },
	}
	o.Out, o.Err = o.stdout, io.Discard // the log has it
	o.Log = zerolog.New(o.stderr).Level(zerolog.InfoLevel).With().Timestamp().Logger()
	o.Quiet = o.Log
	o.start()
	return o
}

// start starts the writers, and redirects what libraries log.
func (o *Outputs) start() {
	for _, w := range []*spool.Writer{o.stdout, o.stderr, o.file} {
		go w.Run()
	}
	kube.LogTo(o.Log)
	// Some libraries log to stderr through this logger. The panel's, for one, logs that it waits for a panel.
	stdlog.SetFlags(0)
	stdlog.SetOutput(o.Log.With().Str("from", "library").Logger())
}

// ForPeople returns a writer that formats log lines for people. It writes to out, and to is the file or terminal behind
// out. No line can change the terminal or the lines after it.
func ForPeople(out, to io.Writer, timeFormat string) zerolog.ConsoleWriter {
	safe := func(value any) string {
		if value == nil {
			return ""
		}
		return safetext.Clean(fmt.Sprintf("%s", value))
	}
	return zerolog.ConsoleWriter{
		Out: out, TimeFormat: timeFormat, NoColor: !coloured(to), FormatMessage: safe, FormatFieldValue: safe,
	}
}

// Close writes what is left, but waits at most flushTimeout.
func (o *Outputs) Close() {
	var closing sync.WaitGroup
	closing.Go(func() {
		if o.file.Close(flushTimeout) == nil {
			_ = o.close()
		}
	})
	closing.Go(func() { _ = o.stdout.Close(flushTimeout) })
	closing.Wait()
	// The log is last, because it may have to report that the file could not be written.
	_ = o.stderr.Close(flushTimeout)
}

// LastWords writes text to stderr and waits at most flushTimeout, so that the program ends even if its console is not
// read.
func LastWords(text string) {
	w := spool.New(spool.Config{To: os.Stderr})
	go w.Run()
	_, _ = io.WriteString(w, text)
	_ = w.Close(flushTimeout)
}

// A logFile is the log's file. The goroutine that writes opens it, because opening may hang, too.
type logFile struct {
	path string
	file *lumberjack.Logger
}

func (f *logFile) Write(line []byte) (int, error) {
	if f.file == nil {
		// A tray and a serve may write to the same file. It is created here and then opened to append, so that neither
		// overwrites the other.
		made, err := ownfile.Create(f.path)
		if err != nil {
			return 0, err // the library would wait for the reader of a pipe
		}
		_ = made.Close()
		f.file = &lumberjack.Logger{Filename: f.path, MaxSize: 10, MaxBackups: 3}
	}
	return f.file.Write(line)
}

func (f *logFile) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// levelled passes on lines of at least a level.
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

// coloured reports whether w is a terminal and should get colours.
func coloured(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && table.For(file).Colour
}
