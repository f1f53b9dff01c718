package assets

import "embed"

//go:embed off.ico working.ico on.ico degraded.ico failed.ico
var icons embed.FS

const extension = ".ico"
