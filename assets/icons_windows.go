package assets

import "embed"

//go:embed off.ico working.ico on.ico degraded.ico failed.ico off.png working.png on.png degraded.png failed.png
var icons embed.FS

const extension = ".ico"
