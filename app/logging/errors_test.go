package logging_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/app/logging"
)

func TestErrorsInTheLogHaveNoSecrets(t *testing.T) {
	dir := t.TempDir()
	var console strings.Builder
	o := logging.Open(dir, &console, &console)
	err := errors.New("said\n\u009b31m\u202e Authorization: Bearer hunter2 to https://me:hunter2@proxy/")
	o.Log.Warn().Err(err).AnErr("cause", err).Msg("refused")
	o.Quiet.Debug().Err(err).Msg("refused")
	o.Log.Warn().Err(nil).Msg("well")
	o.Close()
	file, err := os.ReadFile(filepath.Join(dir, logging.FileName))
	if err != nil {
		t.Fatal(err)
	}
	for name, lines := range map[string]string{"the file": string(file), "the console": console.String()} {
		if !strings.Contains(lines, "Bearer … to") || strings.Contains(lines, "hunter2") || strings.ContainsAny(lines, "\u009b\u202e\ufffd") {
			t.Errorf("%s has %q", name, lines)
		}
	}
	if n := strings.Count(string(file), "Bearer … to"); n != 3 {
		t.Errorf("%d errors are masked: %s", n, file)
	}
}
