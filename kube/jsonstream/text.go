package jsonstream

// maxKey limits what is kept of a key. It is longer than any field's name; labels have longer keys, which are not read.
const maxKey = 64

// stringOverhead is about what a string costs in addition to its bytes.
const stringOverhead = 16

// Text reads a string and keeps its first most bytes, or a few less if the last character does not fit; none for null.
// Bytes that are not UTF-8 become U+FFFD.
func (r *Reader) Text(most int) string {
	if r.readNull() {
		return ""
	}
	s := r.readString(most)
	if s != "" {
		r.Keep(len(s) + stringOverhead)
	}
	return s
}

// readKey reads the key of a field. If it is too long it is cut, and so is not the name of any field that is read.
func (r *Reader) readKey() string { return r.readString(maxKey) }
