package notify

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"fairlead/app/explain"
	"fairlead/app/session"
)

// A deck is the cards of a Notifier: it decides what belongs on one card, and when a card is shown. It is not safe for
// concurrent use.
type deck struct {
	quiet, gather time.Duration
	most          int // cards of failures within quiet
	wanted        func(Kind) bool
	stacks        bool // the desktop cannot replace what it shows

	cards  []*card           // oldest first
	past   map[string]past   // by context, its last trouble that is over
	titles map[string]string // of contexts, by name
	keys   map[string]string // by context, the key of the last notification of it alone as a whole
}

// A card is one notification: on the screen, or about to be. When there is more to say it is shown again in place, at
// pauses that become longer.
type card struct {
	key     string
	topic   topic
	entries []*entry  // oldest first
	dropped bool      // there were more entries than maxEntries
	total   int       // connections that failed
	due     time.Time // when it is to be shown; zero if it has nothing to say
	shown   time.Time // when it was shown last; zero if never
	rounds  int       // how often it was shown within the quiet time
}

// A topic is what the entries of a card have in common.
type topic struct {
	class class
	about string // connections: the context; troubles: the title of the cause
}

type class int

const (
	connections class = iota // connections of one context that failed
	troubles                 // contexts in trouble for one cause
	starts                   // contexts that were switched on
	others                   // connections and contexts for which there are too many cards
)

// An entry is what a card says of a context or of a target in it.
type entry struct {
	context, target string // an empty target stands for the context as a whole
	title           string // of the context
	kind            Kind
	said            explain.Explanation
	command         string // logs in
	over            string // what to say when it is over
	url             string // where a context that is on listens
	sign            session.Sign
	production      bool
	failures        int  // connections that failed for this reason
	fresh           bool // was not shown yet
	again           bool // the user tried again since it was shown
	isOver          bool // is over, which was not shown yet
}

// A past is a trouble of a context that is over.
type past struct {
	title string
	quiet time.Time // the same trouble is not shown again before
}

const (
	maxEntries = 20              // of a card that are kept
	firstPause = time.Second     // between two rounds of a card; it doubles with each
	startsTime = 5 * time.Second // how long other contexts that were switched on may belong on the same card
	maxStarts  = 2               // cards of contexts that were switched on within startsTime
	wholeTime  = 3 * time.Second // how long a connection that failed for a context's own reason waits for that context's trouble
)

// failure adds a connection that failed.
func (d *deck) failure(e *entry, whole bool) {
	now := time.Now()
	d.expire(now)
	if c, trouble := d.find(e.context); whole && trouble != nil && trouble.said.Title == e.said.Title {
		trouble.failures++
		d.repeat(c)
		return
	}
	if !d.wanted(e.kind) {
		return
	}
	wait := d.gather
	if whole {
		wait = max(wait, wholeTime)
	}
	c := d.cardFor(topic{connections, e.context}, e.context, now)
	c.total++
	same := func(o *entry) bool {
		return o.context == e.context && o.target == e.target && o.said.Title == e.said.Title
	}
	if at := slices.IndexFunc(c.entries, same); at >= 0 {
		c.entries[at].failures++
		c.entries[at].said = e.said
		d.repeat(c)
		return
	}
	c.add(e)
	d.news(c, now, now.Add(wait))
}

// trouble adds a context with a trouble as a whole, or updates it.
func (d *deck) trouble(e *entry) {
	now := time.Now()
	d.expire(now)
	c, was := d.find(e.context)
	if was != nil && was.said.Title == e.said.Title && d.wanted(e.kind) {
		changed := was.said != e.said
		was.said, was.command, was.kind, was.sign, was.production = e.said, e.command, e.kind, e.sign, e.production
		switch {
		case was.again:
			was.again, was.fresh, was.isOver = false, true, false
			d.news(c, now, now.Add(d.gather))
		case was.isOver: // for a moment only
			was.isOver = false
			c.settle()
		case changed:
			d.repeat(c)
		}
		return
	}
	d.remove(e.context)
	if !d.wanted(e.kind) {
		return
	}
	e.failures = d.absorb(e)
	at := now.Add(d.gather)
	if was := d.past[e.context]; was.title == e.said.Title && was.quiet.After(at) {
		at = was.quiet
	}
	c = d.cardFor(topic{troubles, e.said.Title}, e.context, now)
	c.add(e)
	d.news(c, now, at)
}

// absorb removes the connections of a context that failed for its own reason and were not shown yet, and returns their
// number.
func (d *deck) absorb(e *entry) (failures int) {
	for _, c := range slices.Clone(d.cards) {
		c.entries = slices.DeleteFunc(c.entries, func(o *entry) bool {
			gone := o.fresh && o.kind == Dials && o.context == e.context && o.said.Title == e.said.Title
			if gone {
				failures += o.failures
				c.total -= o.failures
			}
			return gone
		})
		d.tidy(c)
	}
	return failures
}

// recovered ends the trouble of a context. That is shown if the trouble was.
func (d *deck) recovered(context string) {
	c, e := d.find(context)
	switch {
	case e == nil:
	case e.fresh && !e.again || !d.wanted(Contexts):
		d.remove(context)
	default:
		now := time.Now()
		e.isOver, e.again = true, false
		c.dueBy(now.Add(d.gather))
	}
}

// started adds a context that was switched on, in the place of its trouble.
func (d *deck) started(e *entry) {
	if !d.wanted(Starts) {
		d.recovered(e.context)
		return
	}
	now := time.Now()
	d.expire(now)
	d.remove(e.context)
	delete(d.past, e.context)
	c := d.cardFor(topic{class: starts}, e.context, now)
	c.add(e)
	d.news(c, now, now.Add(d.gather))
}

// tryAgain notes that the user tried a context again: the next trouble is shown without a pause.
func (d *deck) tryAgain(context string) {
	delete(d.past, context)
	if _, e := d.find(context); e != nil && !e.fresh {
		e.again = true
	}
}

// forget discards what is known of a context as a whole. The next trouble is shown without a pause, and no recovery is.
func (d *deck) forget(context string) {
	d.remove(context)
	delete(d.past, context)
}

// find returns the trouble of a context as a whole, and its card; nil if there is none.
func (d *deck) find(context string) (*card, *entry) {
	for _, c := range d.cards {
		for _, e := range c.entries {
			if e.context == context && e.kind != Dials && e.kind != Starts {
				return c, e
			}
		}
	}
	return nil, nil
}

// remove removes a context as a whole from its card.
func (d *deck) remove(context string) {
	for _, c := range slices.Clone(d.cards) {
		before := len(c.entries)
		c.entries = slices.DeleteFunc(c.entries, func(e *entry) bool { return e.context == context && e.kind != Dials })
		if len(c.entries) != before {
			d.tidy(c)
		}
	}
}

// tidy removes a card that is empty, and makes one that has nothing new not due.
func (d *deck) tidy(c *card) {
	if len(c.entries) == 0 {
		d.cards = slices.DeleteFunc(d.cards, func(o *card) bool { return o == c })
		return
	}
	c.settle()
}

// settle makes a card not due if nothing on it is new.
func (c *card) settle() {
	if !c.shown.IsZero() && !slices.ContainsFunc(c.entries, func(e *entry) bool { return e.fresh || e.isOver }) {
		c.due = time.Time{}
	}
}

func (c *card) add(e *entry) {
	e.fresh = true
	c.entries = append(c.entries, e)
	if len(c.entries) > maxEntries {
		c.entries, c.dropped = slices.Delete(c.entries, 0, 1), true
	}
}

// cardFor returns the card of a topic, on which context is new.
func (d *deck) cardFor(t topic, context string, now time.Time) *card {
	recent := func(c *card) bool { return c.shown.IsZero() || now.Sub(c.shown) < d.quiet }
	separate := 0
	if t.class == starts {
		return d.cardForStart(t, context)
	}
	for _, c := range d.cards {
		if c.topic == t && recent(c) {
			return c
		}
		if recent(c) && (c.topic.class == connections || c.topic.class == troubles) {
			separate++
		}
	}
	if separate >= d.most && t.class != others {
		return d.cardFor(topic{class: others}, context, now)
	}
	return d.newCard(t, context)
}

// cardForStart returns the card of a context that was switched on: of its own, with its URL to copy, unless others are
// switched on at the same time.
func (d *deck) cardForStart(t topic, context string) *card {
	var last *card
	count := 0
	for _, c := range d.cards {
		if c.topic == t {
			last = c
			count++
		}
	}
	if last != nil && (last.shown.IsZero() || count >= maxStarts) {
		return last
	}
	return d.newCard(t, context)
}

func (d *deck) newCard(t topic, context string) *card {
	c := &card{topic: t}
	switch t.class {
	case connections:
		c.key = "connections\x00" + context
	case others:
		c.key = "others"
	default:
		c.key = d.keyFor(context)
	}
	d.cards = append(d.cards, c)
	return c
}

// keyFor returns the key of the last card of a context as a whole, so that the next one takes its place, unless other
// contexts are on it now.
func (d *deck) keyFor(context string) string {
	key := d.keys[context]
	inUse := func(c *card) bool { return c.key == key }
	for i := 0; key == "" || slices.ContainsFunc(d.cards, inUse); i++ {
		key = fmt.Sprintf("context\x00%s\x00%d", context, i)
	}
	d.keys[context] = key
	return key
}

// news makes a card due at a time, or later if it was shown a moment ago.
func (d *deck) news(c *card, now, at time.Time) {
	if pause := c.shown.Add(d.pause(c)); !c.shown.IsZero() && pause.After(at) {
		at = pause
	}
	c.dueBy(at)
}

// repeat makes a card due that has nothing new but a number: at the end of the quiet time.
func (d *deck) repeat(c *card) {
	if !c.shown.IsZero() {
		c.dueBy(c.shown.Add(d.quiet))
	}
}

func (c *card) dueBy(at time.Time) {
	if c.due.IsZero() || at.Before(c.due) {
		c.due = at
	}
}

// pause returns how long a card stays as it is.
func (d *deck) pause(c *card) time.Duration {
	if d.stacks {
		return d.quiet
	}
	return min(d.quiet, firstPause<<min(max(c.rounds-1, 0), 10))
}

// take returns the notification of a card that is due, or how long to wait for the next one.
func (d *deck) take(now time.Time) (due Notification, wait time.Duration, ok bool) {
	d.expire(now)
	wait = d.quiet
	for _, c := range d.cards {
		switch {
		case c.due.IsZero():
		case c.due.After(now):
			wait = min(wait, c.due.Sub(now))
		default:
			return d.show(c, now), 0, true
		}
	}
	return Notification{}, wait, false
}

// show returns the notification of a card that is shown now.
func (d *deck) show(c *card, now time.Time) Notification {
	for _, e := range c.entries {
		e.title = cmp.Or(d.titles[e.context], e.context)
	}
	due := c.notification()
	if now.Sub(c.shown) >= d.quiet {
		c.rounds = 0
	}
	before := c.shown
	c.shown, c.due, c.rounds = now, time.Time{}, c.rounds+1
	c.entries = slices.DeleteFunc(c.entries, func(e *entry) bool {
		if e.isOver {
			d.past[e.context] = past{e.said.Title, before.Add(d.quiet)}
		}
		return e.isOver
	})
	for _, e := range c.entries {
		e.fresh = false
	}
	d.tidy(c)
	return due
}

// expire removes the cards to which nothing is added any more. A context in trouble stays until that is over.
func (d *deck) expire(now time.Time) {
	d.cards = slices.DeleteFunc(d.cards, func(c *card) bool {
		life := d.quiet
		if c.topic.class == starts {
			life = startsTime
		}
		if c.shown.IsZero() || !c.due.IsZero() || now.Sub(c.shown) < life || c.topic.class == troubles {
			return false
		}
		c.entries = slices.DeleteFunc(c.entries, func(e *entry) bool { return e.kind == Dials || e.kind == Starts })
		return len(c.entries) == 0
	})
	for context, was := range d.past {
		if !was.quiet.After(now) {
			delete(d.past, context)
		}
	}
}
