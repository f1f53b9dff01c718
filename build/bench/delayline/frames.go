package delayline

import "sync"

// smallFrame is the size of a buffer for a single segment.
const smallFrame = 2048

// frames is a pool of buffers in two sizes: thousands of small packets are held at a time, and must not take 64 KiB
// each. The zero value is ready to use.
type frames struct{ small, large sync.Pool }

func (f *frames) largest() []byte {
	if b, ok := f.large.Get().(*[frameSize]byte); ok {
		return b[:]
	}
	return new([frameSize]byte)[:]
}

// fit returns the first n bytes of frame in a buffer of a suitable size. The caller must not use frame afterwards.
func (f *frames) fit(frame []byte, n int) []byte {
	if n > smallFrame {
		return frame[:n]
	}
	b, ok := f.small.Get().(*[smallFrame]byte)
	if !ok {
		b = new([smallFrame]byte)
	}
	copy(b[:n], frame[:n])
	f.put(frame)
	return b[:n]
}

func (f *frames) put(frame []byte) {
	switch frame = frame[:cap(frame)]; len(frame) {
	case smallFrame:
		f.small.Put((*[smallFrame]byte)(frame))
	case frameSize:
		f.large.Put((*[frameSize]byte)(frame))
	}
}
