package api

import "fairlead/kube/jsonstream"

// MaxName bounds a name or another short text, in bytes; the rest is cut off. It is one more than the longest valid name,
// so that a text that was cut is not a valid name.
const MaxName = 254

// maxContinue bounds the token that continues a list, in bytes.
const maxContinue = 4 << 10

// Metadata is the metadata of an object or a list.
type Metadata struct {
	Namespace, Name, UID string
	Version              string
	next                 string // of a list: the token for its next part
	Deleted              bool   // the object is being deleted
}

// ReadMetadata reads the metadata of an object or a list.
func ReadMetadata(r *jsonstream.Reader) (m Metadata) {
	r.Object(func(key string) {
		switch key {
		case "namespace":
			m.Namespace = r.Text(MaxName)
		case "name":
			m.Name = r.Text(MaxName)
		case "uid":
			m.UID = r.Text(MaxName)
		case "resourceVersion":
			m.Version = r.Text(MaxName)
		case "continue":
			m.next = r.Text(maxContinue)
		case "deletionTimestamp":
			m.Deleted = r.Text(MaxName) != ""
		}
	})
	return m
}

// readKind reads an object, and rejects it if it is not of the given kind.
func readKind(r *jsonstream.Reader, kind string, field func(key string)) {
	got := ""
	r.Object(func(key string) {
		if key == "kind" {
			got = r.Text(MaxName)
			return
		}
		field(key)
	})
	if got != kind {
		r.Reject()
	}
}

// ObjectOf returns a function that reads an answer that is one object of a kind.
func ObjectOf[T any](kind string, read func(r *jsonstream.Reader, into *T, key string)) func(*jsonstream.Reader) T {
	return func(r *jsonstream.Reader) (value T) {
		readKind(r, kind, func(key string) { read(r, &value, key) })
		return value
	}
}

// A List is an answer that is a list, or a part of one.
type List[T any] struct {
	Metadata
	Items []T
	cost  int // bytes of memory
}

// ListOf returns a function that reads an answer that is a list of a kind's objects. The items have no kind field.
func ListOf[T any](kind string, read func(r *jsonstream.Reader, into *T, key string)) func(*jsonstream.Reader) List[T] {
	return func(r *jsonstream.Reader) (l List[T]) {
		readKind(r, kind+"List", func(key string) {
			switch key {
			case "metadata":
				l.Metadata = ReadMetadata(r)
			case "items":
				l.Items = jsonstream.List(r, func() (item T) {
					r.Object(func(key string) { read(r, &item, key) })
					return item
				})
			}
		})
		l.cost = r.Kept()
		return l
	}
}

// ReadName reads an object of which only the name matters.
func ReadName(r *jsonstream.Reader, m *Metadata, key string) {
	if key == "metadata" {
		*m = ReadMetadata(r)
	}
}

// readReview reads whether an access review allows its action.
func readReview(r *jsonstream.Reader, allowed *bool, key string) {
	if key != "status" {
		return
	}
	r.Object(func(key string) {
		if key == "allowed" {
			*allowed = r.Bool(false)
		}
	})
}

// readVersion reads the API server's version, which is an object without a kind.
func readVersion(r *jsonstream.Reader) (version string) {
	r.Object(func(key string) {
		if key == "gitVersion" {
			version = r.Text(MaxName)
		}
	})
	return version
}

// ReadStatus reads a field of a Status, which the API server sends instead of the answer when it refuses a question.
func ReadStatus(r *jsonstream.Reader, s *StatusError, key string) {
	switch key {
	case "code":
		s.code = r.Int()
	case "reason":
		s.reason = r.Text(MaxText)
	case "message":
		s.message = r.Text(MaxText)
	}
}
