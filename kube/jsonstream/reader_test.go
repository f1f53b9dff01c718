package jsonstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"fairlead/kube/fault"
)

var roomy = Bounds{Bytes: 1 << 20, Elements: 1000, Memory: 1 << 20}

func read(text string, bounds Bounds, do func(r *Reader)) error {
	r := NewReader(strings.NewReader(text), bounds, nil)
	defer r.Close()
	do(r)
	return r.End()
}

func TestAReaderReadsTheFieldsThatItsCallerReads(t *testing.T) {
	type port struct {
		name   string
		number int
	}
	var name, null string
	var ready, unset bool
	var ports []port
	text := ` {"skipped": {"a": [1, {"b": "\"}"}], "c": null}, "name": "w\u0065b \ud83d\ude00\n", "null": null,
		"ready": true, "unset": null, "ports": [{"number": 80, "name": "http", "x": -1.5e3}, {}, null], "labels": {"` + strings.Repeat("k", 200) + `": ""}} `
	err := read(text, roomy, func(r *Reader) {
		r.Object(func(key string) {
			switch key {
			case "name":
				name = r.Text(100)
			case "null":
				null = r.Text(100)
			case "ready":
				ready = r.Bool(false)
			case "unset":
				unset = r.Bool(true)
			case "ports":
				ports = List(r, func() (p port) {
					r.Object(func(key string) {
						switch key {
						case "name":
							p.name = r.Text(100)
						case "number":
							p.number = r.Int()
						}
					})
					return p
				})
			}
		})
	})
	want := []port{{"http", 80}, {}, {}}
	if err != nil || name != "web 😀\n" || null != "" || !ready || !unset || !reflect.DeepEqual(ports, want) {
		t.Errorf("%q %q %v %v %v, %v", name, null, ready, unset, ports, err)
	}
}

func TestTextIsCutAtACharacter(t *testing.T) {
	for most, want := range map[int]string{0: "", 1: "a", 2: "a", 3: "aé", 4: "aéb", 100: "aéb"} {
		var got string
		if err := read(`"a\u00e9b"`, roomy, func(r *Reader) { got = r.Text(most) }); got != want || err != nil {
			t.Errorf("%d: %q, %v", most, got, err)
		}
	}
}

func TestWhatExceedsALimitIsAnError(t *testing.T) {
	skip := func(r *Reader) { r.Skip() }
	for name, test := range map[string]struct {
		text string
		do   func(r *Reader)
		want fault.Measure
	}{
		"bytes":          {`"` + strings.Repeat("x", 2<<20) + `"`, skip, fault.Bytes},
		"spaces":         {strings.Repeat(" ", 2<<20), skip, fault.Bytes},
		"elements":       {`[` + strings.Repeat("0,", 1000) + `0]`, func(r *Reader) { r.Array(func() {}) }, fault.Elements},
		"depth":          {strings.Repeat("[", 1000), skip, fault.Depth},
		"depth of names": {strings.Repeat(`{"":`, 1000), skip, fault.Depth},
		"text":           {`["` + strings.Repeat("x", 600<<10) + `","` + strings.Repeat("x", 300<<10) + `"]`, func(r *Reader) { r.Array(func() { r.Text(1 << 20) }) }, ""},
		"kept text": {strings.Repeat(`["a"] `, 40_000), func(r *Reader) {
			for r.err == nil {
				r.Array(func() { r.Text(10) })
				r.Keep(100)
			}
		}, fault.Memory},
		"kept elements": {`[` + strings.Repeat("{},", 900) + `{}]`, func(r *Reader) { List(r, func() (v [1000]byte) { return v }) }, fault.Memory},
	} {
		err := read(test.text, roomy, test.do)
		big, ok := errors.AsType[*fault.Oversized](err)
		if test.want == "" && err != nil || test.want != "" && (!ok || big.Of != test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What several answers keep is counted together, and returned with each.
func TestABudgetIsShared(t *testing.T) {
	budget := NewBudget(1000)
	first, second := NewReader(strings.NewReader("0"), roomy, budget), NewReader(strings.NewReader("0"), roomy, budget)
	first.Keep(600)
	if second.Keep(600); !errors.As(second.Err(), new(*fault.Oversized)) || first.Err() != nil {
		t.Errorf("%v, %v", first.Err(), second.Err())
	}
	first.Close()
	second.Close()
	third := NewReader(strings.NewReader("0"), Bounds{Bytes: 10, Memory: 500}, budget)
	third.Keep(501) // more than its own
	third.Close()
	if used := budget.used.Load(); used != 0 {
		t.Errorf("%d bytes are not returned", used)
	}
}

func TestAStreamIsReadValueByValue(t *testing.T) {
	r := NewReader(strings.NewReader(`{"a": "one"} {"a": "two"}`+"\n"), Bounds{Bytes: 100, Memory: 30, Elements: 1}, nil)
	var got []string
	for r.Next() {
		r.Object(func(string) { got = append(got, r.Text(10)) })
	}
	if err := r.Err(); err != nil || !reflect.DeepEqual(got, []string{"one", "two"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestErrorsOfTheSourceAreKept(t *testing.T) {
	broken := errors.New("broken")
	r := NewReader(io.MultiReader(strings.NewReader(`{"a": [1,`), iotest.ErrReader(broken)), roomy, nil)
	if r.Skip(); !errors.Is(r.End(), broken) {
		t.Errorf("%v", r.End())
	}
	if err := read(`{"a": "b`, roomy, func(r *Reader) { r.Skip() }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut off: %v", err)
	}
}

// value reads any value as encoding/json does.
func value(r *Reader) any {
	c, err := r.peekByte()
	if err != nil {
		r.fail(unexpectedEOF(err))
		return nil
	}
	switch c {
	case '{':
		object := map[string]any{}
		r.Object(func(key string) { object[key] = value(r) })
		return object
	case '[':
		list := []any{}
		r.Array(func() { list = append(list, value(r)) })
		return list
	case '"':
		return r.Text(1 << 20)
	case 't', 'f':
		return r.Bool(false)
	}
	r.Skip() // numbers are compared by Int
	return nil
}

// plain reduces a value to what the function value has of it.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		object := map[string]any{}
		for key, element := range v {
			object[key] = plain(element)
		}
		return object
	case []any:
		list := []any{}
		for _, element := range v {
			list = append(list, plain(element))
		}
		return list
	case float64:
		return nil
	}
	return v
}

// FuzzAReaderAgreesWithEncodingJSON checks that a Reader accepts what encoding/json accepts, with the same content, and
// rejects what it rejects.
func FuzzAReaderAgreesWithEncodingJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-0.5e+3,true,false,null,"\u00e9\ud83d\ude00\ud800x\/"]}`, `[]`, `{}`, `"a`, `01`, `-`, `1.`, `1e`, `tru`, `nul`, `[1,]`, `{"a"}`, `{,}`,
		"\"\x01\"", "\"\xff\"", `"\x"`, `"\u12"`, ` 1 2`, `{"a":1,"a":"b"}`, ``, `[[[[`, `truefalse`, `"\ud800\u0041"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(iotest.OneByteReader(bytes.NewReader(data)), Bounds{Bytes: 1 << 20, Elements: 1 << 20, Memory: 1 << 24}, nil)
		defer r.Close()
		got := value(r)
		err := r.End()
		if errors.As(err, new(*fault.Oversized)) {
			return // encoding/json has wider limits
		}
		if slices.ContainsFunc(bytes.FieldsFunc(data, func(c rune) bool { return !strings.ContainsRune("+-.0123456789eE", c) }),
			func(number []byte) bool { return len(number) > maxLiteral }) {
			return
		}
		var want any
		if (json.Unmarshal(data, &want) == nil) != (err == nil) {
			t.Fatalf("%q: %v, and encoding/json returns %v", data, err, json.Unmarshal(data, &want))
		}
		// Bytes that are not UTF-8 become different numbers of U+FFFD, and long keys are cut.
		if err == nil && bytes.IndexByte(data, 0xff) < 0 && !strings.ContainsRune(string(bytes.ToValidUTF8(data, []byte("\uFFFD"))), '\uFFFD') &&
			len(data) <= maxKey && !reflect.DeepEqual(got, plain(want)) {
			t.Fatalf("%q: %#v, want %#v", data, got, want)
		}
	})
}
