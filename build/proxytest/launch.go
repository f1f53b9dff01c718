package proxytest

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

// TB is the part of testing.TB that the proxies need. Launch implements it for programs.
type TB interface {
	Helper()
	Cleanup(func())
	TempDir() string
	Error(...any)
	Errorf(string, ...any)
	Fatal(...any)
	Fatalf(string, ...any)
}

// Launch calls start, which starts proxies, in a program that is no test. They run until stop is called. If start calls
// a method of its TB that fails a test, everything is stopped again and Launch returns an error with the text.
func Launch(start func(TB)) (stop func(), err error) {
	l := &launcher{}
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		start(l)
	}()
	<-returned
	if len(l.failures) > 0 {
		l.stop()
		return nil, errors.New(strings.TrimSpace(strings.Join(l.failures, "\n")))
	}
	return l.stop, nil
}

// A launcher is the TB of a Launch. Only the goroutine of start uses it, and stop afterwards.
type launcher struct {
	cleanups []func()
	failures []string
}

func (l *launcher) stop() {
	for _, cleanup := range slices.Backward(l.cleanups) {
		cleanup()
	}
}

func (l *launcher) Helper() {}

func (l *launcher) Cleanup(f func()) { l.cleanups = append(l.cleanups, f) }

func (l *launcher) TempDir() string {
	dir, err := os.MkdirTemp("", "proxytest")
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = os.RemoveAll(dir) }) // nothing of value is in it
	return dir
}

func (l *launcher) Error(args ...any) { l.failures = append(l.failures, fmt.Sprintln(args...)) }

func (l *launcher) Errorf(format string, args ...any) { l.Error(fmt.Sprintf(format, args...)) }

func (l *launcher) Fatal(args ...any) {
	l.Error(args...)
	runtime.Goexit()
}

func (l *launcher) Fatalf(format string, args ...any) { l.Fatal(fmt.Sprintf(format, args...)) }
