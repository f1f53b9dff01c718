package row

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/build/bench/process"
	"fairlead/build/bench/report"
	"fairlead/build/bench/way"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kind is a way that does nothing and records its calls in a diary.
type kind struct {
	name  string
	diary *[]string
	fails bool
}

func (k kind) Name() string    { return k.name }
func (k kind) InCluster() bool { return true }

func (k kind) Open(context.Context, way.Site) (way.Way, error) {
	if k.fails {
		return nil, errors.New("does not start")
	}
	*k.diary = append(*k.diary, "open "+k.name)
	return opened{k}, nil
}

type opened struct{ kind }

func (opened) Dial(context.Context, way.Target) (net.Conn, error) { return nil, errors.New("nowhere") }
func (opened) Processes() []*process.Process                      { return nil }
func (o opened) Close()                                           { *o.diary = append(*o.diary, "close "+o.name) }

func newLab(t *testing.T) *Lab {
	return &Lab{Place: map[time.Duration]Place{0: {Host: "127.0.0.1"}}, Dir: t.TempDir(), Say: t.Logf}
}

func diaryOf(t *testing.T, plan schedule, fails string, failsDoing string) ([]string, report.Measure) {
	var diary []string
	for _, name := range []string{"a", "b"} {
		plan.kinds = append(plan.kinds, kind{name, &diary, name == fails})
	}
	var m report.Measure
	plan.do = func(_ context.Context, t turn) error {
		if t.name == failsDoing {
			return errors.New("broke")
		}
		diary = append(diary, t.name)
		m.Add(t.name, 1)
		return nil
	}
	if err := newLab(t).interleave(t.Context(), plan, &m); err != nil {
		t.Fatal(err)
	}
	slices.Sort(diary[len(diary)-2:]) // the order of closing at the end is undefined
	return diary, m
}

func TestSubjectsTakeTurns(t *testing.T) {
	diary, _ := diaryOf(t, schedule{rounds: 2}, "", "")
	if got, want := strings.Join(diary, ", "), "open a, a, open b, b, a, b, close a, close b"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAFreshProcessServesOneRound(t *testing.T) {
	diary, _ := diaryOf(t, schedule{rounds: 2, fresh: true}, "", "")
	want := "open a, a, close a, open b, b, close b, open a, a, close a, open b, b, close b"
	if got := strings.Join(diary, ", "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestASubjectThatFailsLeavesTheOthersInTheRace(t *testing.T) {
	for name, run := range map[string]func() ([]string, report.Measure){
		"at the start":   func() ([]string, report.Measure) { return diaryOf(t, schedule{rounds: 3}, "a", "") },
		"at its work":    func() ([]string, report.Measure) { return diaryOf(t, schedule{rounds: 3}, "", "a") },
		"fresh, at work": func() ([]string, report.Measure) { return diaryOf(t, schedule{rounds: 3, fresh: true}, "", "a") },
	} {
		diary, m := run()
		if len(m.Subjects) != 2 || m.Subjects[0].Problem == "" || len(m.Subjects[0].Samples) != 0 || len(m.Subjects[1].Samples) != 3 {
			t.Errorf("%s: %+v", name, m.Subjects)
		}
		if opens, closes := count(diary, "open"), count(diary, "close"); opens != closes {
			t.Errorf("%s: %d opened, %d closed", name, opens, closes)
		}
	}
}

func count(diary []string, verb string) int {
	n := 0
	for _, entry := range diary {
		if strings.HasPrefix(entry, verb) {
			n++
		}
	}
	return n
}

func TestACancelledRunEndsWithItsCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	over := errors.New("over")
	var diary []string
	var m report.Measure
	err := newLab(t).interleave(ctx, schedule{
		kinds: []way.Kind{kind{"a", &diary, false}}, rounds: 5,
		do: func(context.Context, turn) error { cancel(over); return errors.New("cut off") },
	}, &m)
	if !errors.Is(err, over) || m.Subjects[0].Problem != "" {
		t.Errorf("%v, %+v", err, m.Subjects)
	}
}
