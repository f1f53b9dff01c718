package settings

import (
	_ "embed"
	"slices"
)

//go:embed example.yaml
var example []byte

// Example is a config.yaml that says what every setting is for, and sets each to its default.
func Example() []byte { return slices.Clone(example) }
