// Package notify shows failures on the desktop: at once, with the reason, and never in a storm. notify.go decides when
// to show something, text.go makes the text, and one send file per kind of desktop shows it.
//
// The sentences come from package explain. Nothing depends on a notification being seen: if there is no desktop, or no
// notification service, that is logged once and the program continues.
package notify

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/explain"
)

// A Notification is one message on the desktop. Title and Body are plain text of unknown origin, not markup; the Sender
// escapes what its desktop would treat as markup.
type Notification struct {
	Key   string // a notification replaces the last one with the same key, unless it is empty
	Title string
	Body  string // lines separated by "\n"
	Icon  string // the name of its picture, for Config.Icon
	// Actions are offered if the desktop can do that. Choosing one calls Config.Chosen.
	Actions []Action
	About   Choice // the Choice that is reported, without its Action
}

// A Kind is a kind of notification that can be turned off. The names are those of the settings.
type Kind string

// The kinds. What Say shows has none.
const (
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
	CopyDetails Action = "copy-details" // Choice.Text
	CopyLogin   Action = "copy-login"   // Choice.Text is the command
	Retry       Action = "retry"        // start the context again, or try its credentials again
)

// A Choice is an action that the user chose on a notification.
type Choice struct {
	Action  Action
	Context string
	Text    string // the text to copy
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
	// Icon returns a picture as a PNG for the desktop's Sender: for "failed", bad news, and for "on", other news. If
	// nil, there are no pictures.
	Icon    func(name string) []byte
	Quiet   time.Duration // the least time between two notifications of one target in one context; 0 means one minute
	Targets int           // the number of targets of one context that are shown separately, the rest in one notification; 0 means 5
	// Wanted reports whether a kind is to be shown. It must not block. If nil, all are.
	Wanted func(Kind) bool
	// Chosen is called when the user chose an action, by a goroutine of the desktop's Sender. It must not block.
	Chosen func(Choice)
	Log    zerolog.Logger
}

// A Notifier shows the notifications of the whole program. Its methods may be called from any goroutine and never block
// on the desktop.
type Notifier struct {
	sender  Sender
	quiet   time.Duration
	targets int
	wanted  func(Kind) bool
	log     zerolog.Logger
	wake    chan struct{} // holds a token if there may be something to send

	mu       sync.Mutex
	episodes []*episode // oldest first
	messages []Notification
	failing  map[string]*episode // by context, the last notification of it as a whole, if that was a failure
}

// An episode is a series of failures of one target for one cause. It begins with the first one and ends when a quiet
// time passes without another.
type episode struct {
	kind            Kind
	context, target string // an empty target stands for the context as a whole
	command         string // the command that logs in
	rest            bool   // covers the targets beyond Config.Targets; target is the latest of them
	last            explain.Explanation
	repeats         int // failures that were not shown yet, without the first
	shown           bool
	due             time.Time // when it may be shown, or ends
}

// New returns a Notifier that shows nothing until Run.
func New(c Config) *Notifier {
	if c.Icon == nil {
		c.Icon = func(string) []byte { return nil }
	}
	if c.Sender == nil {
		c.Sender = newDesktop(c.Icon, c.Chosen)
	}
	if c.Quiet <= 0 {
		c.Quiet = time.Minute
	}
	if c.Targets <= 0 {
		c.Targets = 5
	}
	if c.Wanted == nil {
		c.Wanted = func(Kind) bool { return true }
	}
	return &Notifier{
		sender: c.Sender, quiet: c.Quiet, targets: c.Targets, wanted: c.Wanted, log: c.Log, wake: make(chan struct{}, 1), failing: map[string]*episode{},
	}
}

// Failure reports that a target in a context could not be reached. The first failure is shown at once; those that
// follow within the quiet time for the same cause are counted, and shown when that time is over. If the context as a
// whole has the same cause and that was shown, the failure is counted there.
func (n *Notifier) Failure(context, target string, e explain.Explanation) {
	n.report(episode{kind: Dials, context: context, target: target, last: e})
}

// Trouble reports that something is wrong with a context as a whole. command is the one that logs in, for Logins, and
// may be empty. Each notification of a context as a whole replaces the last one.
func (n *Notifier) Trouble(kind Kind, context string, e explain.Explanation, command string) {
	n.report(episode{kind: kind, context: context, last: e, command: command})
}

// Recovered reports that a context works again. It is shown only if the last notification of the context was something else.
func (n *Notifier) Recovered(context string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.drop(context) && n.wanted(Contexts) {
		n.put(recovery(context))
	}
}

// drop discards what is still to be shown of a context as a whole, and reports whether a failure was shown last.
func (n *Notifier) drop(context string) (failing bool) {
	for _, ep := range n.episodes {
		if ep.context == context && ep.kind != Dials {
			ep.repeats, ep.shown = 0, true
		}
	}
	failing = n.failing[context] != nil
	delete(n.failing, context)
	return failing
}

func (n *Notifier) report(failure episode) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if whole := n.episodeOfContext(failure); whole != nil {
		failure = episode{kind: whole.kind, context: whole.context, last: failure.last, command: whole.command}
	}
	if !n.wanted(failure.kind) {
		return
	}
	if ep := n.find(failure); ep != nil {
		ep.target, ep.last, ep.command = failure.target, failure.last, failure.command
		ep.repeats++
		return
	}
	failure.rest = failure.kind == Dials && n.atTargetLimit(failure.context)
	failure.due = time.Now()
	n.episodes = append(n.episodes, &failure)
	n.signal()
}

// episodeOfContext returns the episode of the failure's context as a whole, if it has the same cause.
func (n *Notifier) episodeOfContext(failure episode) *episode {
	for _, ep := range append(slices.Clone(n.episodes), n.failing[failure.context]) {
		if ep == nil || ep.kind == Dials || ep.context != failure.context || ep.last.Title != failure.last.Title {
			continue
		}
		if !ep.shown || ep == n.failing[ep.context] { // otherwise it is over
			return ep
		}
	}
	return nil
}

// find returns the episode that a failure belongs to.
func (n *Notifier) find(failure episode) *episode {
	for _, ep := range n.episodes {
		if ep.kind == failure.kind && ep.context == failure.context && ep.target == failure.target && ep.last.Title == failure.last.Title && !ep.rest {
			return ep
		}
	}
	if failure.kind != Dials || !n.atTargetLimit(failure.context) {
		return nil
	}
	for _, ep := range n.episodes {
		if ep.context == failure.context && ep.rest {
			return ep
		}
	}
	return nil
}

// atTargetLimit reports whether no more targets of a context can be shown separately.
func (n *Notifier) atTargetLimit(context string) bool {
	count := 0
	for _, ep := range n.episodes {
		if ep.kind == Dials && ep.context == context && !ep.rest {
			count++
		}
	}
	return count >= n.targets
}

// maxMessages bounds how many messages Say keeps for a slow desktop.
const maxMessages = 4

// Say shows a message that is not a failure, such as the result of a click, once and as soon as possible. It replaces
// the last message with the same title.
func (n *Notifier) Say(title, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.put(message(title, text))
}

func (n *Notifier) put(m Notification) {
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
	timer := time.NewTimer(n.quiet)
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
	n.episodes = slices.DeleteFunc(n.episodes, func(ep *episode) bool {
		return ep.shown && ep.repeats == 0 && !ep.due.After(now)
	})
	wait = n.quiet
	for _, ep := range n.episodes {
		if ep.due.After(now) {
			wait = min(wait, ep.due.Sub(now))
			continue
		}
		due = failure(ep, n.quiet)
		if ep.kind != Dials {
			n.failing[ep.context] = ep
		}
		ep.shown, ep.repeats, ep.due = true, 0, now.Add(n.quiet)
		return due, 0, true
	}
	return Notification{}, wait, false
}

// sendTimeout bounds one notification. A desktop that takes longer is stuck, and delays the others.
const sendTimeout = 5 * time.Second

// send shows one notification and reports whether the desktop does not work now.
func (n *Notifier) send(ctx context.Context, due Notification, outage bool) bool {
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
