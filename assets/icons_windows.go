package assets

import "embed"

//go:embed off*.ico off*.png working*.ico working*.png on*.ico on*.png attention*.ico attention*.png failed*.ico failed*.png production*.ico production*.png
var icons embed.FS

const extension = ".ico"
