package process

import (
	"testing"
	"time"
)

func TestCPUIsUserAndSystemTime(t *testing.T) {
	const stat = "4242 (a (strange) name) S 1 4242 4242 0 -1 4194560 1000 0 0 0 150 25 7 9 20 0 8 0 100 1000 200\n"
	if got, err := parseCPU(stat); err != nil || got != 1750*time.Millisecond {
		t.Errorf("%s, %v", got, err)
	}
	for _, broken := range []string{"", "1 (x) S", "1 x S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15", "1 (x) S 1 2 3 4 5 6 7 8 9 10 a b 13"} {
		if got, err := parseCPU(broken); err == nil {
			t.Errorf("%q gives %s", broken, got)
		}
	}
}

func TestMemoryIsTheAnonymousPart(t *testing.T) {
	const rollup = "00400000-7ffd ---p 00000000 00:00 0  [rollup]\nRss:   9000 kB\nPss_Anon:   1 kB\nAnonymous:        5120 kB\nSwap: 0 kB\n"
	if got, err := parseAnonymous(rollup); err != nil || got != 5<<20 {
		t.Errorf("%d, %v", got, err)
	}
	if got, err := parseAnonymous("Rss: 1 kB\n"); err == nil {
		t.Errorf("without the line: %d", got)
	}
}

func TestGoroutinesAreCountedByTheirHeadings(t *testing.T) {
	const traceback = `SIGQUIT: quit
PC=0x47 m=0 sigcode=0

goroutine 0 gp=0x1 m=0 mp=0x2 [idle]:
runtime.futex()

goroutine 1 gp=0xc000002380 m=nil [IO wait, 2 minutes]:
internal/poll.runtime_pollWait()
goroutine 17 [select]:
main.main()
created by main.main in goroutine 1

rax    0xca
`
	if got := countGoroutines([]byte(traceback)); got != 2 {
		t.Errorf("%d goroutines, want 2", got)
	}
}
