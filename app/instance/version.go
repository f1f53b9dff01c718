package instance

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version returns the program's name, its version number, and what it was built by and for.
func Version() string {
	return fmt.Sprintf("fairlead %s %s %s/%s", VersionNumber(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// VersionNumber returns the module's version or, for a build from a checkout, its commit.
func VersionNumber() string {
	number := "devel"
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			number = v
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && number == "devel" {
				number = "devel-" + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return number
}
