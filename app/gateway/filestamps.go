package gateway

import (
	"fmt"
	"os"
	"strings"
)

// FileStamps returns a text that changes when one of the files may have changed.
func FileStamps(files ...string) string {
	var b strings.Builder
	for _, file := range files {
		if info, err := os.Stat(file); err != nil {
			fmt.Fprintf(&b, "%q none ", file)
		} else {
			fmt.Fprintf(&b, "%q %d %d ", file, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}
