package control

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"fairlead/app/session"
	"fairlead/build/scaletest"
)

// full is a state with every field set.
var full = session.State{
	Name: "a", Phase: session.On, Wanted: true, Usable: true,
	Title: "Login needed", Reason: "The login has expired.", Hint: "Log in.", Trouble: session.LoginNeeded, Login: "gcloud auth login",
	Endpoints: append(session.ProxyAt("127.0.0.1:1080"), session.ProxyAt("127.0.0.1:1081")...), Unknown: true, Warning: "Open to all.",
	Cluster: "east", User: "anna", Namespace: "web", File: "/k", Outside: "refuse", Current: true, Production: true, Password: true, TLS: true, AnyUser: true,
	Reached: true, Requested: time.Unix(4, 0).UTC(),
	Since: time.Unix(1, 0).UTC(), OffAt: time.Unix(2, 0).UTC(), Used: time.Unix(3, 0).UTC(),
}

func TestAClientSeesTheWholeStateOfAContext(t *testing.T) {
	for field, value := range reflect.ValueOf(full).Fields() {
		if value.IsZero() {
			t.Fatalf("this test sets no %s", field.Name)
		}
	}
	text, err := json.Marshal(newContext(full))
	if err != nil {
		t.Fatal(err)
	}
	var c Context
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if got := c.State(); !reflect.DeepEqual(got, full) {
		t.Errorf("got  %+v\nwant %+v", got, full)
	}
}

// Programs that read the first version's form find all of it, with the proxy's address alone.
func TestAContextHasTheKeysOfTheFirstVersion(t *testing.T) {
	text, err := json.Marshal(newContext(full))
	if err != nil {
		t.Fatal(err)
	}
	const current, sign, user, asked = `"current":true,`, `"sign":"attention",`, `"user":"anna",`, `"reached":true,"requested":"1970-01-01T00:00:04Z",` // since later versions
	const endpoints = `"endpoints":[{"address":"127.0.0.1:1080","kind":"proxy"},{"address":"127.0.0.1:1081","kind":"proxy"}],`
	const want = `{"name":"a","phase":"on","wanted":true,"usable":true,"title":"Login needed","reason":"The login has expired.",` +
		`"hint":"Log in.","trouble":"login","login":"gcloud auth login","address":"127.0.0.1:1080","unknown":true,"warning":"Open to all.",` +
		`"cluster":"east","namespace":"web","file":"/k","outside":"refuse","production":true,"password":true,"tls":true,"anyUser":true,` +
		`"since":"1970-01-01T00:00:01Z","offAt":"1970-01-01T00:00:02Z","used":"1970-01-01T00:00:03Z"}`
	got := string(text)
	for _, later := range []string{endpoints, current, sign, user, asked} {
		if !strings.Contains(got, later) {
			t.Errorf("got  %s\nwant %s in it", text, later)
		}
		got = strings.Replace(got, later, "", 1)
	}
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A running Fairlead of an earlier version sends an address and no endpoints.
func TestTheAddressOfAnEarlierVersionIsItsProxys(t *testing.T) {
	var c Context
	if err := json.Unmarshal([]byte(`{"name":"a","phase":"on","wanted":true,"usable":true,"address":"127.0.0.1:1080"}`), &c); err != nil {
		t.Fatal(err)
	}
	if got := c.State().Endpoints; !reflect.DeepEqual(got, session.ProxyAt("127.0.0.1:1080")) {
		t.Errorf("it listens at %v", got)
	}
}

func TestStatusTakesInProportionToTheContexts(t *testing.T) {
	scaletest.Linear(t, func(_ *testing.T, n int) func() {
		s := session.Snapshot{Version: 1}
		for i := range n {
			s.Contexts = append(s.Contexts, session.State{Name: scaletest.Name(i), Phase: session.Off, Usable: true, File: fmt.Sprintf("/home/me/.kube/%d", i%12)})
		}
		return func() { _, _ = json.Marshal(Server{}.status(s)) }
	})
}
