package desktop

import "testing"

func TestPathsInDesktopFilesAreQuoted(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/bin/fairlead":      `"/usr/bin/fairlead"`,
		"/my programs/fairlead":  `"/my programs/fairlead"`,
		`/a"b$c` + "`" + `d\e%f`: `"/a\\"b\\$c\\` + "`" + `d\\\\e%%f"`,
		"/a\nb":                  `"/a\nb"`,
	} {
		if got := execLine(path); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
}
