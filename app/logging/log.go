// Package logging is where Fairlead writes: its log file, and the console for what concerns a person. Nobody who logs waits
// for a disk or a console.
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
	"fairlead/kube"
	"fairlead/proxy/safetext"
)

// FileName is the file in the state directory; older ones stand beside it with their date.
const FileName = "fairlead.log"

// flushTimeout bounds what the end of the program waits for a console or a disk.
const flushTimeout = time.Second

// Outputs are where the program writes while proxies run: the log's file, stderr and stdout. Each has a goroutine that
// writes, and nobody else waits for a console that is not read or a disk that hangs.
type Outputs struct {
	Log                  zerolog.Logger
	Quiet                zerolog.Logger // the log's file alone, for what a person is told in another way
	Out                  io.Writer      // stdout, for whole lines
	Err                  io.Writer      // stderr, for whole lines
	file, stderr, stdout *spool.Writer
	close                func() error // of the file
}

// Open begins to log to dir/fairlead.log, every connection, and what matters to a person also to stderr. A log
// that cannot be written is no reason not to start: then stderr alone has it. Close ends what it starts.
func Open(dir string, stdout, stderr io.Writer) *Outputs {
	o := &Outputs{
		stdout: spool.New(spool.Config{To: stdout}),
		stderr: spool.New(spool.Config{To: stderr, Lost: func(n int) []byte {
			return fmt.Appendf(nil, "fairlead: %d lines are missing here, for nothing read them; the log file has them\n", n)
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
	for _, w := range []*spool.Writer{o.stdout, o.stderr, o.file} {
		go w.Run()
	}
	kube.LogTo(o.Log)
	// Libraries that know no better write there, to stderr: the panel's says so that it waits for one.
	stdlog.SetFlags(0)
	stdlog.SetOutput(o.Log.With().Str("from", "library").Logger())
	return o
}

// ForPeople returns a writer of log lines as people read them, to out, which leads to a file or a terminal. Whatever a line
// says, it leaves the terminal and the lines after it alone.
func ForPeople(out, to io.Writer, timeFormat string) zerolog.ConsoleWriter {
	safe := func(value any) string {
		if value == nil {
			return ""
		}
		return safetext.Clean(fmt.Sprintf("%s", value))
	}
	return zerolog.ConsoleWriter{
		Out: out, TimeFormat: timeFormat, NoColor: !isTerminal(to), FormatMessage: safe, FormatFieldValue: safe,
	}
}

// Close writes what is left, as far as that takes no longer than flushTimeout.
func (o *Outputs) Close() error {
	var closing sync.WaitGroup
	closing.Go(func() {
		if o.file.Close(flushTimeout) == nil {
			_ = o.close() // every line is in the file, and there is no one left to hear of it
		}
	})
	closing.Go(func() { _ = o.stdout.Close(flushTimeout) }) // what nobody reads is not missed
	closing.Wait()
	// Last, since it may have to say that the file could not be written.
	_ = o.stderr.Close(flushTimeout)
	return nil
}

// LastWords writes text to stderr, and waits for that no longer than flushTimeout: the end of the program does not depend on
// whether its console is read.
func LastWords(text string) {
	w := spool.New(spool.Config{To: os.Stderr})
	go w.Run()
	_, _ = io.WriteString(w, text) // it never fails
	_ = w.Close(flushTimeout)       // there is no other place to say that nobody listens
}

// A logFile is the log's file, which is opened by the goroutine that writes to it: opening may hang, too.
type logFile struct {
	path string
	file *lumberjack.Logger
}

func (f *logFile) Write(line []byte) (int, error) {
	if f.file == nil {
		// A tray and a serve may write to one file: made here, it is opened to append, and neither overwrites the other.
		made, err := ownfile.Create(f.path)
		if err != nil {
			return 0, err // the library would wait for a pipe's reader
		}
		_ = made.Close() // nothing was written
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
