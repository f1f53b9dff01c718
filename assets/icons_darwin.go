package assets

import "embed"

//go:embed off*.png working*.png on*.png attention*.png failed*.png production*.png
var icons embed.FS

const extension = ".png"
