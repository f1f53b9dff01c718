package desktop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// errNoDataControl means that the compositor lets only a program with the focused window copy, as in GNOME.
var errNoDataControl = errors.New("this Wayland compositor does not let programs without a window copy")

// dataControls are the names of the protocol by which a program without a window owns the clipboard. The two versions,
// ext-data-control-v1 and wlr-data-control-unstable-v1, differ only in the name.
var dataControls = []string{"ext_data_control_manager_v1", "zwlr_data_control_manager_v1"}

// The numbers of this client's objects, in the order in which it creates them. wl_display has number 1.
const (
	wlDisplay = iota + 1
	wlRegistry
	wlFirstSync
	wlSeat
	wlManager
	wlDevice
	wlSource
	wlSecondSync
)

// A waylandSelection is a text that this program owns as the Wayland clipboard, on a connection of its own. One
// goroutine responds to programs that paste. It ends when another program copies something, when the compositor ends,
// or when end is called.
type waylandSelection struct {
	content
	wire    *waylandWire
	done    chan struct{}
	writers sync.WaitGroup // goroutines that write to programs that paste
}

func (s *waylandSelection) end()                   { _ = s.wire.conn.Close() }
func (s *waylandSelection) ended() <-chan struct{} { return s.done }

// newWaylandSelection returns when it owns the clipboard.
func newWaylandSelection(ctx context.Context, display string, what content) (*waylandSelection, error) {
	if !filepath.IsAbs(display) {
		display = filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), display)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", display)
	if err != nil {
		return nil, fmt.Errorf("the Wayland clipboard: %w", err)
	}
	s := &waylandSelection{content: what, wire: &waylandWire{conn: conn.(*net.UnixConn)}, done: make(chan struct{})}
	stop := context.AfterFunc(ctx, s.end) // give up on a compositor that does not respond
	if err := s.takeOwnership(); err != nil {
		stop()
		s.end()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("the Wayland clipboard: %w", err)
	}
	if !stop() {
		return nil, fmt.Errorf("the Wayland clipboard: %w", context.Cause(ctx))
	}
	go s.serve()
	return s, nil
}

// takeOwnership takes the clipboard over from its last owner.
func (s *waylandSelection) takeOwnership() error {
	globals := map[string]uint32{}
	s.wire.request(wlDisplay, 1, arg(wlRegistry)) // get_registry
	s.wire.request(wlDisplay, 0, arg(wlFirstSync))
	err := s.wire.roundTrip(wlFirstSync, func(e waylandEvent) {
		if e.object == wlRegistry && e.code == 0 { // global: number, interface, version
			number, name := e.uint(), e.text()
			if _, known := globals[name]; !known {
				globals[name] = number
			}
		}
	})
	if err != nil {
		return err
	}
	at := slices.IndexFunc(dataControls, func(name string) bool { return globals[name] != 0 })
	if at < 0 || globals["wl_seat"] == 0 {
		return errNoDataControl
	}
	bind := func(name string, object uint32) {
		s.wire.request(wlRegistry, 0, arg(globals[name]), argText(name), arg(1), arg(object))
	}
	bind("wl_seat", wlSeat)
	bind(dataControls[at], wlManager)
	s.wire.request(wlManager, 1, arg(wlDevice), arg(wlSeat)) // get_data_device
	s.wire.request(wlManager, 0, arg(wlSource))              // create_data_source
	mimeTypes := []string{"text/plain;charset=utf-8", "text/plain", "UTF8_STRING", "STRING", "TEXT"}
	if s.secret {
		mimeTypes = append(mimeTypes, secretHint)
	}
	for _, mimeType := range mimeTypes {
		s.wire.request(wlSource, 0, argText(mimeType)) // offer
	}
	s.wire.request(wlDevice, 0, arg(wlSource)) // set_selection
	s.wire.request(wlDisplay, 0, arg(wlSecondSync))
	return s.wire.roundTrip(wlSecondSync, s.handle)
}

var errTaken = errors.New("another program copied something")

// serve responds to pastes until another program owns the clipboard or the connection ends.
func (s *waylandSelection) serve() {
	defer close(s.done)
	defer s.writers.Wait()
	defer s.wire.closeFiles()
	defer s.end()
	for {
		e, err := s.wire.next()
		if err != nil || e.object == wlSource && e.code == 1 { // cancelled
			return
		}
		s.handle(e)
	}
}

// pasteTime bounds how long a program that pastes may take to read the text.
const pasteTime = 10 * time.Second

// handle responds to a program that pastes. No other event needs a response.
func (s *waylandSelection) handle(e waylandEvent) {
	if e.object != wlSource || e.code != 0 { // send: MIME type, and the file to write to
		return
	}
	text := s.text
	if e.text() == secretHint {
		text = secretValue
	}
	file := s.wire.file()
	if file == nil {
		return
	}
	s.writers.Go(func() {
		defer func() { _ = file.Close() }()
		// A program that ends before it has read everything is no error.
		_ = file.SetWriteDeadline(time.Now().Add(pasteTime))
		_, _ = file.WriteString(text)
	})
}
