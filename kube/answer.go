package kube

import "fairlead/kube/jsonstream"

// maxName bounds what is kept of a name or another short text. It is one byte more than the longest name has, so that what
// was cut is no name.
const maxName = 254

// maxContinue bounds what is kept of the text that asks for the next part of a list.
const maxContinue = 4 << 10

// metadata is what all objects and lists have.
type metadata struct {
	namespace, name, uid string
	version              string
	next                 string // of a list: asks for its next part
	deleted              bool   // it was told to end
}

func readMetadata(r *jsonstream.Reader) (m metadata) {
	r.Object(func(key string) {
		switch key {
		case "namespace":
			m.namespace = r.Text(maxName)
		case "name":
			m.name = r.Text(maxName)
		case "uid":
			m.uid = r.Text(maxName)
		case "resourceVersion":
			m.version = r.Text(maxName)
		case "continue":
			m.next = r.Text(maxContinue)
		case "deletionTimestamp":
			m.deleted = r.Text(maxName) != ""
		}
	})
	return m
}

// readKind reads an object that has to be of a kind.
func readKind(r *jsonstream.Reader, kind string, field func(key string)) {
	got := ""
	r.Object(func(key string) {
		if key == "kind" {
			got = r.Text(maxName)
			return
		}
		field(key)
	})
	if got != kind {
		r.Reject()
	}
}

// objectOf returns what reads an answer that is one object of a kind.
func objectOf[T any](kind string, read func(r *jsonstream.Reader, into *T, key string)) func(*jsonstream.Reader) T {
	return func(r *jsonstream.Reader) (value T) {
		readKind(r, kind, func(key string) { read(r, &value, key) })
		return value
	}
}

// An objectList is an answer that is a list, or a part of one.
type objectList[T any] struct {
	metadata
	items []T
	cost  int // bytes of memory
}

// listOf returns what reads an answer that is a list of a kind's objects. Its items do not say their kind.
func listOf[T any](kind string, read func(r *jsonstream.Reader, into *T, key string)) func(*jsonstream.Reader) objectList[T] {
	return func(r *jsonstream.Reader) (l objectList[T]) {
		readKind(r, kind+"List", func(key string) {
			switch key {
			case "metadata":
				l.metadata = readMetadata(r)
			case "items":
				l.items = jsonstream.List(r, func() (item T) {
					r.Object(func(key string) { read(r, &item, key) })
					return item
				})
			}
		})
		l.cost = r.Kept()
		return l
	}
}

// readName reads an object of which only the name matters.
func readName(r *jsonstream.Reader, m *metadata, key string) {
	if key == "metadata" {
		*m = readMetadata(r)
	}
}

// readReview reads whether the user has the right that was asked about.
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
			version = r.Text(maxName)
		}
	})
	return version
}

// readStatus reads what the API server says in place of what was asked for.
func readStatus(r *jsonstream.Reader, s *statusError, key string) {
	switch key {
	case "code":
		s.code = r.Int()
	case "reason":
		s.reason = r.Text(maxText)
	case "message":
		s.message = r.Text(maxText)
	}
}
