package delayline

import "sync"

// smallFrame holds any packet that is not a train of segments.
const smallFrame = 2048

// frames are buffers in two sizes: thousands of small packets are held at a time, and must not cost 64 KiB each. The
// zero value is ready.
type frames struct{ small, large sync.Pool }

func (f *frames) largest() []byte {
	if b, ok := f.large.Get().(*[frameSize]byte); ok {
		return b[:]
	}
	return new([frameSize]byte)[:]
}

// fit returns the first n bytes of a largest frame in a buffer of the size that they need. The frame given is gone.
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
