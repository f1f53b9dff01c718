//go:build !windows && !darwin

package assets

import (
	"embed"
	"fmt"
)

//go:embed off*.png working*.png on*.png attention*.png failed*.png production*.png
var icons embed.FS

const extension = ".png"

// Sizes returns the picture of that name in all sizes that panels show it in, as PNGs, the smallest first.
func Sizes(name string) [][]byte {
	var all [][]byte
	for _, size := range []int{16, 22, 24, 32, 48} {
		if icon, err := icons.ReadFile(fmt.Sprintf("%s-%d.png", name, size)); err == nil {
			all = append(all, icon)
		}
	}
	return append(all, Icon(name))
}
