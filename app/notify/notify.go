// Package notify shows on the desktop what happens to contexts: that one is on, that something failed and why. What
// belongs together is one notification, which is replaced in place when there is more to say. follow.go compares states
// of the model, card.go groups and decides when to show something, text.go makes the text, and one send file per kind of
// desktop shows it.
//
// The sentences come from package explain. Nothing depends on a notification being seen: if there is no desktop, or no
// notification service, that is logged once and the program continues.
package notify

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/explain"
	"fairlead/app/session"
)

// A Notification is one message on the desktop. Title and Body are plain text of unknown origin, not markup; the Sender
// escapes what its desktop would treat as markup.
type Notification struct {
	Key   string // a notification replaces the last one with the same key, unless it is empty
	Title string
	Body  string // lines separated by "\n"
	Icon  string // the name of its picture, for Config.Icon: as of session.Sign.Picture
	// Actions are offered if the desktop can do that. Choosing one calls Config.Chosen.
	Actions []Action
	About   Choice // the Choice that is reported, without its Action
}

// A Kind is a kind of notification that can be turned off. The names are those of the settings.
type Kind string

// The kinds. What Say shows has none.
const (
	Starts   Kind = "starts"   // a context that the user switched on is on
	Dials    Kind = "dials"    // a connection that failed
	Contexts Kind = "contexts" // a context that failed, or came back
	Logins   Kind = "logins"   // a login is needed
	Ports    Kind = "ports"    // another program on a context's port
)

// An Action is something that a notification offers to do.
type Action string

// The actions.
const (
	OpenLog     Action = "open-log"
	CopyURL     Action = "copy-url"     // of the context's proxy
	CopyDetails Action = "copy-details" // Choice.Text
	CopyLogin   Action = "copy-login"   // Choice.Text is the command
	LogIn       Action = "log-in"       // run the command, Choice.Text, in a terminal window
	Retry       Action = "retry"        // start the contexts again, or try their credentials again
)

// A Choice is an action that the user chose on a notification.
type Choice struct {
	Action   Action
	Contexts []string
	Text     string // the text to copy
}

// A Sender shows notifications. Only Run calls it, so calls never overlap.
type Sender interface {
	// Send returns nil when the desktop has accepted n, or the reason why it has not. It returns soon after ctx ends.
	Send(ctx context.Context, n Notification) error
	// Close releases what Send has opened. Send is not called after it.
	Close() error
}

// Config configures a Notifier. The zero value is usable.
type Config struct {
	Sender Sender // if nil, this machine's desktop
	// Icon returns a picture as a PNG for the desktop's Sender, by a session.Sign. If nil, there are no pictures.
	Icon   func(name string) []byte
	Quiet  time.Duration // the least time between two notifications that say the same; 0 means one minute
	Gather time.Duration // how long a notification waits for others that belong on it; 0 means 400 ms
	Cards  int           // how many notifications of failures there may be within Quiet, the rest is one more; 0 means 3
	// Titles returns what contexts are called on the screen, by name. If nil, it is their names.
	Titles func(session.Snapshot) map[string]string
	// Wanted reports whether a kind is to be shown. It must not block. If nil, all are.
	Wanted func(Kind) bool
	// Terminal reports whether LogIn can be offered. Run calls it. If nil, it is not.
	Terminal func() bool
	// Chosen is called when the user chose an action, by a goroutine of the desktop's Sender. It must not block.
	Chosen func(Choice)
	Log    zerolog.Logger
}

// A Notifier shows the notifications of the whole program. Its methods may be called from any goroutine and never block
// on the desktop.
type Notifier struct {
	sender   Sender
	terminal func() bool
	titlesOf func(session.Snapshot) map[string]string
	log      zerolog.Logger
	wake     chan struct{} // holds a token if there may be something to send

	mu       sync.Mutex
	messages []Notification
	deck     deck
}

// New returns a Notifier that shows nothing until Run.
func New(c Config) *Notifier {
	if c.Icon == nil {
		c.Icon = func(string) []byte { return nil }
	}
	stacks := c.Sender == nil && !replaces
	if c.Sender == nil {
		c.Sender = newDesktop(c.Icon, c.Chosen)
	}
	if c.Wanted == nil {
		c.Wanted = func(Kind) bool { return true }
	}
	if c.Titles == nil {
		c.Titles = func(session.Snapshot) map[string]string { return nil }
	}
	if c.Terminal == nil {
		c.Terminal = func() bool { return false }
	}
	return &Notifier{
		sender: c.Sender, terminal: c.Terminal, titlesOf: c.Titles, log: c.Log, wake: make(chan struct{}, 1),
		deck: deck{
			quiet: cmp.Or(c.Quiet, time.Minute), gather: cmp.Or(c.Gather, 400*time.Millisecond), most: cmp.Or(c.Cards, 3),
			wanted: c.Wanted, stacks: stacks, past: map[string]past{}, keys: map[string]string{},
		},
	}
}

// Failure reports that a target in a context could not be reached. The failures of a context are on one notification,
// with their number. whole is set if the same holds for every target, so that Report is called for it, too: then the
// failure is counted there.
func (n *Notifier) Failure(context, target string, e explain.Explanation, whole bool) {
	n.update(func(d *deck) {
		d.failure(&entry{context: context, target: target, kind: Dials, said: e, sign: session.SignAttention, failures: 1}, whole)
	})
}

// A Trouble is what is wrong with a context as a whole.
type Trouble struct {
	Context    string
	Kind       Kind
	Said       explain.Explanation
	Command    string // for Logins, the command that logs in; may be empty
	Over       string // what to say of the context when it is over: "reachable again"
	Sign       session.Sign
	Production bool
}

// Report reports that something is wrong with a context as a whole. Contexts with the same trouble are on one
// notification. It is shown once, and again at most once in the quiet time if connections fail because of it.
func (n *Notifier) Report(t Trouble) {
	n.update(func(d *deck) {
		d.trouble(&entry{
			context: t.Context, kind: t.Kind, said: t.Said, command: t.Command, over: t.Over, sign: t.Sign, production: t.Production,
		})
	})
}

// Recovered reports that a context works again. It is shown only if the last notification of the context was something else.
func (n *Notifier) Recovered(context string) { n.update(func(d *deck) { d.recovered(context) }) }

// Started reports that a context that the user switched on is on, at a URL.
func (n *Notifier) Started(context, url string, production bool) {
	n.update(func(d *deck) {
		d.started(&entry{context: context, kind: Starts, url: url, sign: session.SignOn, production: production})
	})
}

// update changes the cards, and makes Run look for what is due.
func (n *Notifier) update(change func(*deck)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(&n.deck)
	n.signal()
}

// maxMessages bounds how many messages Say keeps for a slow desktop.
const maxMessages = 4

// Say shows a message that is not a failure, such as the result of a click, once and as soon as possible. It replaces
// the last message with the same title.
func (n *Notifier) Say(title, text string) { n.put(message(title, title, text)) }

// Copied shows what was copied. It replaces the last message of that kind.
func (n *Notifier) Copied(title, text string) { n.put(message("copied", title, text)) }

func (n *Notifier) put(m Notification) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.messages = append(n.messages, m)
	if len(n.messages) > maxMessages {
		n.messages = slices.Delete(n.messages, 0, 1)
	}
	n.signal()
}

func (n *Notifier) signal() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends, then closes the Sender. What was not sent by then is dropped. If the desktop shows nothing,
// that is logged once until it works again; it is not an error, and Run returns nil.
func (n *Notifier) Run(ctx context.Context) error {
	defer n.close()
	timer := time.NewTimer(n.deck.quiet)
	defer timer.Stop()
	outage := false
	for ctx.Err() == nil {
		due, wait, ok := n.take(time.Now())
		if ok {
			outage = n.send(ctx, due, outage)
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-n.wake:
		case <-timer.C:
		}
	}
	return nil
}

// take returns a notification that is due, or how long to wait for the next one.
func (n *Notifier) take(now time.Time) (due Notification, wait time.Duration, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.messages) > 0 {
		due = n.messages[0]
		n.messages = slices.Delete(n.messages, 0, 1)
		return due, 0, true
	}
	return n.deck.take(now)
}

// sendTimeout bounds one notification. A desktop that takes longer is stuck, and delays the others.
const sendTimeout = 5 * time.Second

// send shows one notification and reports whether the desktop does not work now.
func (n *Notifier) send(ctx context.Context, due Notification, outage bool) bool {
	if slices.Contains(due.Actions, LogIn) && !n.terminal() {
		due.Actions = slices.DeleteFunc(slices.Clone(due.Actions), func(a Action) bool { return a == LogIn })
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err := n.sender.Send(ctx, due)
	switch {
	case err == nil:
		return false
	case errors.Is(context.Cause(ctx), context.Canceled):
		return outage // Run ends, the desktop is not to blame
	case !outage:
		n.log.Warn().Err(err).Msg("no desktop notifications")
	}
	return true
}

func (n *Notifier) close() {
	if err := n.sender.Close(); err != nil {
		n.log.Debug().Err(err).Msg("desktop notifications not closed")
	}
}
