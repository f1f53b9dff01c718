package row

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"fairlead/build/bench/report"
	"fairlead/build/bench/way"
	"fairlead/build/proxytest"
)

func TestCurlMeasuresAFirstByteAndADownloadThroughEachTool(t *testing.T) {
	target := net.JoinHostPort(farName, strconv.Itoa(startFar(t).Plain))
	for _, tool := range tools() {
		client := tool.start(t, proxytest.Options{Hosts: map[string]string{farName: "127.0.0.1"}}).alone()
		if took, err := client.ask(t.Context(), target); err != nil || took <= 0 {
			t.Errorf("%s: %s, %v", tool.name, took, err)
		}
		const span = 300 * time.Millisecond
		result, err := client.download(t.Context(), target, span)
		if err != nil || result.bytes < 1<<20 || result.time <= 0 {
			t.Errorf("%s: %+v, %v", tool.name, result, err)
		}
	}
}

// Without the name that only a tool knows, or without the tool, there is nothing to measure.
func TestCurlThatDoesNotArriveIsAnError(t *testing.T) {
	target := net.JoinHostPort(farName, strconv.Itoa(startFar(t).Plain))
	for name, client := range map[string]curl{
		"no such name": {"curl", []string{"--proxy", proxytest.Tinyproxy(t, proxytest.Options{}).URL().String()}},
		"no proxy":     {"curl", []string{"--proxy", "http://" + proxytest.Dead(t)}},
	} {
		if took, err := client.ask(t.Context(), target); err == nil {
			t.Errorf("%s: a first byte after %s", name, took)
		}
		if result, err := client.download(t.Context(), target, time.Second); err == nil {
			t.Errorf("%s: a download of %+v", name, result)
		}
	}
}

func TestAToolOrAFairleadThatDoesNotStartIsAResult(t *testing.T) {
	l := newLab(t)
	broken := tool{"broken", func(t proxytest.TB, _ proxytest.Options) upstream {
		t.Fatal("it is not installed")
		return upstream{}
	}}
	works := tools()[0]
	for problem, kind := range map[string]tool{"it is not installed": broken, "ended": works} {
		measures, err := throughEach(t.Context(), l, &way.Proxy{Label: report.Judged, Command: []string{"false"}, Announces: true}, []tool{kind})
		if err != nil || len(measures) != 3 {
			t.Fatalf("%s: %d measures, %v", kind.name, len(measures), err)
		}
		for _, m := range measures {
			if len(m.Subjects) != 1 || !strings.Contains(m.Subjects[0].Problem, problem) {
				t.Errorf("%s: %+v", kind.name, m)
			}
		}
	}
}

func TestFairleadAndCurlShowStunnelTheSameCertificate(t *testing.T) {
	c := proxytest.NewCertificates(t)
	up := upstream{&proxytest.Proxy{Scheme: "https", Address: "127.0.0.1:1"}, &c}
	settings, args := up.settings(), strings.Join(up.alone().args, " ")
	for _, name := range []string{"ca.crt", "client.crt", "client.key"} {
		if !strings.Contains(settings, c.File(name)) || !strings.Contains(args, c.File(name)) {
			t.Errorf("%s is missing in %s or in %s", name, settings, args)
		}
	}
}
