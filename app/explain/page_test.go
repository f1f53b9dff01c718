package explain_test

import (
	"html"
	"io"
	"strings"
	"testing"

	nethtml "golang.org/x/net/html"

	"fairlead/app/explain"
	"fairlead/kube/fault"
)

func TestThePageSaysWhatIsPublic(t *testing.T) {
	for _, c := range causes[1:] {
		e := explain.Error(c.err)
		_, body, _ := strings.Cut(e.Page(), "<main>")
		for _, text := range []string{e.Title, e.PublicSentence, e.PublicHint, e.ProxyStatus} {
			if !strings.Contains(body, html.EscapeString(text)) {
				t.Errorf("%s: %q is not on the page:\n%s", c.name, text, body)
			}
		}
		if strings.Contains(body, "<p></p>") {
			t.Errorf("%s: an empty paragraph:\n%s", c.name, body)
		}
	}
	if page := explain.Error(nil).Page(); page != "" {
		t.Errorf("no error has a page:\n%s", page)
	}
}

// elements returns the elements of the page, in order.
func elements(t *testing.T, page string) (names []string) {
	t.Helper()
	for z := nethtml.NewTokenizer(strings.NewReader(page)); ; {
		switch z.Next() {
		case nethtml.ErrorToken:
			if z.Err() != io.EOF {
				t.Fatal(z.Err())
			}
			return names
		case nethtml.StartTagToken, nethtml.SelfClosingTagToken:
			token := z.Token()
			names = append(names, token.Data)
			for _, a := range token.Attr {
				if a.Key == "src" || a.Key == "href" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("the page leads elsewhere or runs something: %s", token)
				}
			}
		}
	}
}

func TestNamesNeverBecomeMarkup(t *testing.T) {
	hostile := `</title><script>alert(1)</script><img src=x onerror=alert(1)>"'HINT CODES TITLE`
	plain := explain.Error(&fault.NotFound{Kind: fault.Service, Name: "a", Namespace: "b"})
	got := explain.Error(&fault.NotFound{Kind: fault.Service, Name: hostile, Namespace: hostile})
	if a, b := strings.Join(elements(t, plain.Page()), " "), strings.Join(elements(t, got.Page()), " "); a != b {
		t.Errorf("elements\n %s, want\n %s", b, a)
	}
	if !strings.Contains(got.Page(), html.EscapeString(got.PublicSentence)) {
		t.Errorf("the sentence %q is not on the page as it is:\n%s", got.PublicSentence, got.Page())
	}
}
