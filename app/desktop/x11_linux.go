package desktop

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// A selection is a text that this program owns as the X11 CLIPBOARD (ICCCM, section 2), on a connection of its own. One
// goroutine responds to programs that paste. It ends when another program copies something, when the X server goes, or
// when stop is called.
type selection struct {
	content
	stop context.CancelFunc
	done chan struct{} // closed when the goroutine ends

	conn      *xgb.Conn
	window    xproto.Window
	clipboard xproto.Atom
	targets   xproto.Atom
	utf8      xproto.Atom
	plain     xproto.Atom // text/plain;charset=utf-8
	hint      xproto.Atom // secretHint
}

func (s *selection) end()                   { s.stop() }
func (s *selection) ended() <-chan struct{} { return s.done }

// newSelection returns when it owns the clipboard. If ctx ends first, it gives up, and the goroutine ends as soon as
// the X server responds or goes.
func newSelection(ctx context.Context, display string, what content) (*selection, error) {
	life, stop := context.WithCancel(context.Background())
	s := &selection{content: what, stop: stop, done: make(chan struct{})}
	owned := make(chan error, 1)
	go s.run(life, display, owned)
	select {
	case err := <-owned:
		if err != nil {
			<-s.done
			return nil, fmt.Errorf("display %s: %w", display, err)
		}
		return s, nil
	case <-ctx.Done():
		stop()
		return nil, fmt.Errorf("display %s: %w", display, context.Cause(ctx))
	}
}

// run connects, sends the result to owned, and serves.
func (s *selection) run(life context.Context, display string, owned chan<- error) {
	defer close(s.done)
	defer s.stop()
	xgb.Logger.SetOutput(io.Discard) // it logs to stderr what it also returns
	conn, err := xgb.NewConnDisplay(display)
	if err != nil {
		owned <- err
		return
	}
	s.conn = conn
	defer s.drain()
	defer conn.Close()
	defer context.AfterFunc(life, conn.Close)()
	if err := s.takeOwnership(); err != nil {
		owned <- err
		return
	}
	owned <- nil
	s.serve()
}

// takeOwnership takes the clipboard over from its last owner.
func (s *selection) takeOwnership() error {
	for name, atom := range map[string]*xproto.Atom{
		"CLIPBOARD": &s.clipboard, "TARGETS": &s.targets, "UTF8_STRING": &s.utf8, "text/plain;charset=utf-8": &s.plain, secretHint: &s.hint,
	} {
		reply, err := xproto.InternAtom(s.conn, false, uint16(len(name)), name).Reply()
		if err != nil {
			return fmt.Errorf("atom %s: %w", name, err)
		}
		*atom = reply.Atom
	}
	window, err := xproto.NewWindowId(s.conn)
	if err != nil {
		return fmt.Errorf("window: %w", err)
	}
	roots := xproto.Setup(s.conn).Roots
	if len(roots) == 0 {
		return errors.New("no screen")
	}
	err = xproto.CreateWindowChecked(s.conn, 0, window, roots[0].Root, 0, 0, 1, 1, 0,
		xproto.WindowClassInputOnly, xproto.WindowNone, 0, nil).Check()
	if err != nil {
		return fmt.Errorf("window: %w", err)
	}
	s.window = window
	if err := xproto.SetSelectionOwnerChecked(s.conn, window, s.clipboard, xproto.TimeCurrentTime).Check(); err != nil {
		return fmt.Errorf("own the clipboard: %w", err)
	}
	// The server silently ignores the request if there was a later one.
	reply, err := xproto.GetSelectionOwner(s.conn, s.clipboard).Reply()
	if err != nil {
		return fmt.Errorf("own the clipboard: %w", err)
	}
	if reply.Owner != window {
		return errors.New("another program took the clipboard")
	}
	return nil
}

// serve responds to pastes until another program owns the clipboard or the connection ends.
func (s *selection) serve() {
	for {
		event, err := s.conn.WaitForEvent()
		if event == nil && err == nil {
			return
		}
		// Errors concern windows of programs that have gone before their response came, and can be ignored.
		switch e := event.(type) {
		case xproto.SelectionRequestEvent:
			s.answer(e)
		case xproto.SelectionClearEvent:
			return
		}
	}
}

// answer provides the text in the requested form, or reports that there is none.
func (s *selection) answer(r xproto.SelectionRequestEvent) {
	property := r.Property
	if property == xproto.AtomNone {
		property = r.Target // as clients older than the ICCCM expect
	}
	switch {
	case r.Owner != s.window || r.Selection != s.clipboard:
		property = xproto.AtomNone
	case r.Target == s.targets:
		s.put(r.Requestor, property, xproto.AtomAtom, 32, s.forms())
	case r.Target == s.utf8, r.Target == s.plain:
		s.put(r.Requestor, property, r.Target, 8, []byte(s.text))
	case r.Target == s.hint && s.secret:
		s.put(r.Requestor, property, r.Target, 8, []byte(secretValue))
	case r.Target == xproto.AtomString:
		s.put(r.Requestor, property, r.Target, 8, latin1(s.text))
	default:
		property = xproto.AtomNone
	}
	notice := xproto.SelectionNotifyEvent{
		Time: r.Time, Requestor: r.Requestor, Selection: r.Selection, Target: r.Target, Property: property,
	}
	xproto.SendEvent(s.conn, false, r.Requestor, xproto.EventMaskNoEvent, string(notice.Bytes()))
}

func (s *selection) put(window xproto.Window, property, form xproto.Atom, format byte, data []byte) {
	xproto.ChangeProperty(s.conn, xproto.PropModeReplace, window, property, form, format, uint32(len(data)/int(format/8)), data)
}

// forms returns the forms that the text is available in.
func (s *selection) forms() []byte {
	atoms := []xproto.Atom{s.targets, s.utf8, s.plain, xproto.AtomString}
	if s.secret {
		atoms = append(atoms, s.hint)
	}
	data := make([]byte, 4*len(atoms))
	for i, atom := range atoms {
		xgb.Put32(data[4*i:], uint32(atom))
	}
	return data
}

// drain waits until the closed connection's own goroutines have ended, or nearly so.
func (s *selection) drain() {
	for {
		if event, err := s.conn.WaitForEvent(); event == nil && err == nil {
			return
		}
	}
}

// latin1 returns text in ISO 8859-1, which the form STRING means, with a question mark for characters that it lacks.
func latin1(text string) []byte {
	var b []byte
	for _, r := range text {
		if r > 0xff {
			r = '?'
		}
		b = append(b, byte(r))
	}
	return b
}
