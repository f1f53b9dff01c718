package clustertest

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
)

// patternPeriod is prime, so that a lost or repeated block of any usual size shifts the pattern.
const patternPeriod = 65521

// Pattern returns a reader of the first count bytes that the program "source" and the path /big send.
func Pattern(count int64) io.Reader { return io.LimitReader(&patternReader{}, count) }

// PatternSHA256 returns the SHA-256 of Pattern(count), in hexadecimal.
func PatternSHA256(count int64) string {
	sum := sha256.New()
	_, _ = io.Copy(sum, Pattern(count)) // neither end can fail
	return hex.EncodeToString(sum.Sum(nil))
}

type patternReader struct{ next uint32 }

// Read fills p with the next bytes of the pattern.
func (r *patternReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.next * 2654435761 >> 13)
		r.next = (r.next + 1) % patternPeriod
	}
	return len(p), nil
}
