// Package notify tells the user on the desktop what failed: at once, with the reason, and never in a storm. notify.go
// decides when to speak, text.go what is said, and one send file per kind of desktop shows it.
//
// It is not where the sentences come from (explain), and nothing depends on a notification being seen: where there is
// no desktop, or nobody who shows notifications, that is logged once and the program goes on.
package notify

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/explain"
)

// A Notification is one message on the desktop. Title and Body are plain text of unknown origin, not markup; the Sender
// escapes what its desktop would read as such.
type Notification struct {
	Key   string // a notification takes the place of the last one with the same key; empty: of none
	Title string
	Body  string // lines separated by "\n"
	Icon  string // the name of the picture beside it, for Config.Icon
	// Actions are offered beside it, where the desktop has a way to: choosing one calls Config.Chosen.
	Actions []Action
	About   Choice // what is told of a choice, all but its Action
}

// A Kind is a sort of notification that can be turned off by itself. The names are those of the settings.
type Kind string

// The kinds. What Say shows is of none.
const (
	Dials    Kind = "dials"    // a connection that could not be made
	Contexts Kind = "contexts" // a context that failed, or came back
	Logins   Kind = "logins"   // a login that is needed
	Ports    Kind = "ports"    // another program on a context's port
)

// An Action is what a notification offers to do.
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
	Text    string // to be copied
}

// A Sender shows notifications. Run is its only caller: calls never overlap.
type Sender interface {
	// Send returns when the desktop has taken n, or with the reason why it has not. It ends soon after ctx.
	Send(ctx context.Context, n Notification) error
	// Close gives back what Send has opened. Nothing is sent after it.
	Close() error
}

// Config is what New needs. Its zero value is useful.
type Config struct {
	Sender Sender // nil: this machine's desktop
	// Icon gives the desktop's own Sender the picture beside a text, as a PNG: of "failed" for bad news, of "on" for other. Nil: none.
	Icon    func(name string) []byte
	Quiet   time.Duration // the least time between two notifications of one target in one context; 0: one minute
	Targets int           // so many targets of one context are told apart at a time, the rest are summed up; 0: 5
	// Wanted tells whether a kind is to be shown; it must not block. Nil: all are.
	Wanted func(Kind) bool
	// Chosen is called when the user chose an action, by a goroutine of the desktop's own Sender, and must not block.
	Chosen func(Choice)
	Log    zerolog.Logger
}

// A Notifier speaks for the whole program. Its methods may be called from any goroutine and never block on the desktop.
type Notifier struct {
	sender  Sender
	quiet   time.Duration
	targets int
	wanted  func(Kind) bool
	log     zerolog.Logger
	wake    chan struct{} // holds one token when there may be something to send

	mu       sync.Mutex
	episodes []*episode // oldest first
	messages []Notification
	failing  map[string]*episode // what was told last of contexts as a whole, where that is bad
}

// An episode is a run of failures of one target for one cause: it begins with the first one and ends when a quiet time
// passes without another.
type episode struct {
	kind            Kind
	context, target string // an empty target stands for the context as a whole
	command         string // that logs in
	rest            bool   // stands for the targets beyond Config.Targets; target is the latest of them
	last            explain.Explanation
	repeats         int // failures that were not shown yet, the first one not counted
	shown           bool
	due             time.Time // when it may be shown, or ends
}

// New makes a Notifier that is silent until Run.
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

// Failure says that target could not be reached in that context. The first time it is told at once; what follows within
// the quiet time for the same cause is counted and told when that time is over. Where the cause is what is wrong with the
// context as a whole, and was told as that, it is counted there.
func (n *Notifier) Failure(context, target string, e explain.Explanation) {
	n.report(episode{kind: Dials, context: context, target: target, last: e})
}

// Trouble says that something is wrong with a context as a whole. command is what logs in, for Logins, and may be empty.
// All that is told of one context as a whole stands in one notification, the last one.
func (n *Notifier) Trouble(kind Kind, context string, e explain.Explanation, command string) {
	n.report(episode{kind: kind, context: context, last: e, command: command})
}

// Back says that a context is well again. It is told only if the last that was told of the context is something else.
func (n *Notifier) Back(context string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.drop(context) && n.wanted(Contexts) {
		n.put(back(context))
	}
}

// drop forgets what is still to be told of a context as a whole, and reports whether something bad was told last.
func (n *Notifier) drop(context string) (told bool) {
	for _, ep := range n.episodes {
		if ep.context == context && ep.kind != Dials {
			ep.repeats, ep.shown = 0, true
		}
	}
	told = n.failing[context] != nil
	delete(n.failing, context)
	return told
}

func (n *Notifier) report(failure episode) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if whole := n.whole(failure); whole != nil {
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
	failure.rest = failure.kind == Dials && n.full(failure.context)
	failure.due = time.Now()
	n.episodes = append(n.episodes, &failure)
	n.signal()
}

// whole is what is told of the failure's context as a whole, if it has the same cause.
func (n *Notifier) whole(failure episode) *episode {
	for _, ep := range append(slices.Clone(n.episodes), n.failing[failure.context]) {
		if ep == nil || ep.kind == Dials || ep.context != failure.context || ep.last.Title != failure.last.Title {
			continue
		}
		if !ep.shown || ep == n.failing[ep.context] { // else it is over
			return ep
		}
	}
	return nil
}

// find is the running episode that a failure belongs to.
func (n *Notifier) find(failure episode) *episode {
	for _, ep := range n.episodes {
		if ep.kind == failure.kind && ep.context == failure.context && ep.target == failure.target && ep.last.Title == failure.last.Title && !ep.rest {
			return ep
		}
	}
	if failure.kind != Dials || !n.full(failure.context) {
		return nil
	}
	for _, ep := range n.episodes {
		if ep.context == failure.context && ep.rest {
			return ep
		}
	}
	return nil
}

// full tells whether as many targets of a context are told apart as may be.
func (n *Notifier) full(context string) bool {
	count := 0
	for _, ep := range n.episodes {
		if ep.kind == Dials && ep.context == context && !ep.rest {
			count++
		}
	}
	return count >= n.targets
}

// maxMessages bounds what Say keeps for a desktop that is slow.
const maxMessages = 4

// Say shows a message that is no failure, such as an answer to a click, once and as soon as possible. It takes the
// place of the last message of the same title.
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

// Run sends until ctx ends, then closes the Sender. What was not sent by then is dropped. A desktop that shows nothing
// is logged once until it shows something again; it is no error of Run's, which returns nil.
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

// take gives one notification that is due, or how long to wait for the next one.
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

// sendTimeout bounds one notification: a desktop that takes longer is stuck, and others wait behind it.
const sendTimeout = 5 * time.Second

// send shows one notification and tells whether the desktop is out of order now.
func (n *Notifier) send(ctx context.Context, due Notification, outage bool) bool {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err := n.sender.Send(ctx, due)
	switch {
	case err == nil:
		return false
	case context.Cause(ctx) == context.Canceled:
		return outage // the end of Run, not of the desktop
	case !outage:
		n.log.Warn().Err(err).Msg("no desktop notifications")
	}
	return true
}

func (n *Notifier) close() {
	if err := n.sender.Close(); err != nil {
		n.log.Debug().Err(err).Msg("close desktop notifications")
	}
}
