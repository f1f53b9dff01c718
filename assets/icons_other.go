//go:build !windows

package assets

import "embed"

//go:embed off.png working.png on.png degraded.png failed.png
var icons embed.FS

const extension = ".png"
