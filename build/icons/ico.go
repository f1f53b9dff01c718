package main

import (
	"bytes"
	"encoding/binary"
	"image"
)

// ico packs images into a Windows icon. Each is a bitmap of 32 bits per pixel, which all of Windows' loaders accept,
// and not a PNG, which some do not accept at small sizes.
func ico(images []*image.NRGBA) []byte {
	const headerSize, entrySize = 6, 16
	var directory, bitmaps bytes.Buffer
	put(&directory, uint16(0), uint16(1), uint16(len(images)))
	for _, img := range images {
		size := img.Rect.Dx()
		bitmap := bitmap(img)
		put(&directory, uint8(size), uint8(size), uint8(0), uint8(0), uint16(1), uint16(32),
			uint32(len(bitmap)), uint32(headerSize+entrySize*len(images)+bitmaps.Len()))
		bitmaps.Write(bitmap)
	}
	return append(directory.Bytes(), bitmaps.Bytes()...)
}

// bitmap returns a BITMAPINFOHEADER, the pixels from the bottom row up, and the legacy mask, in which all pixels are
// set as opaque.
func bitmap(img *image.NRGBA) []byte {
	var b bytes.Buffer
	size := img.Rect.Dx()
	put(&b, uint32(40), int32(size), int32(2*size), uint16(1), uint16(32), uint32(0), uint32(0), int32(0), int32(0), uint32(0), uint32(0))
	for y := size - 1; y >= 0; y-- {
		for x := range size {
			c := img.NRGBAAt(x, y)
			put(&b, c.B, c.G, c.R, c.A)
		}
	}
	maskRow := (size + 31) / 32 * 4 // bytes, in whole words
	b.Write(make([]byte, maskRow*size))
	return b.Bytes()
}

// put appends numbers in little-endian order. Writing fixed-size numbers to a buffer cannot fail.
func put(b *bytes.Buffer, numbers ...any) {
	for _, number := range numbers {
		_ = binary.Write(b, binary.LittleEndian, number)
	}
}
