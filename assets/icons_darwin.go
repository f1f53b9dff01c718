package assets

import "embed"

//go:embed off.png working.png on.png degraded.png failed.png off-template.png working-template.png on-template.png degraded-template.png failed-template.png
var icons embed.FS

const extension = ".png"
