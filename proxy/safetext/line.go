package safetext

import (
	"cmp"
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Line returns text from elsewhere as a part of one line of a log, without the given secrets and what Mask finds.
// Characters that would break the line become spaces, and invisible characters are removed: a log does not need them,
// and they could hide a secret.
func Line(text string, secrets ...string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1
		case !Safe(r):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	for _, secret := range byLength(secrets) {
		text = strings.ReplaceAll(text, secret, masked)
	}
	return strings.TrimSpace(Mask(text))
}

// byLength returns the secrets, as they are and as they look when quoted, the longest first, because one may be a part
// of another.
func byLength(secrets []string) []string {
	var forms []string
	for _, secret := range secrets {
		quoted := strconv.Quote(secret)
		for _, form := range []string{secret, html.EscapeString(secret), url.QueryEscape(secret), url.PathEscape(secret), quoted[1 : len(quoted)-1]} {
			if len(form) >= minSecret {
				forms = append(forms, form)
			}
		}
	}
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return slices.Compact(forms)
}

// minSecret is the length of the shortest secret that is removed. Removing shorter ones would spoil other words.
const minSecret = 4

// Credentials returns the secrets in the header of a request: tokens, passwords, cookies, and the extra fields of an
// impersonated user.
func Credentials(header http.Header) []string {
	var secrets []string
	for name, values := range header {
		for _, value := range values {
			switch name = http.CanonicalHeaderKey(name); {
			case name == "Authorization", name == "Proxy-Authorization":
				secrets = append(secrets, authorization(value)...)
			case name == "Cookie", strings.HasPrefix(name, "Impersonate-Extra-"):
				secrets = append(secrets, value)
			}
		}
	}
	return secrets
}

// authorization returns the secrets in a value of the field Authorization.
func authorization(value string) []string {
	scheme, secret, ok := strings.Cut(strings.TrimSpace(value), " ")
	if !ok {
		return []string{value}
	}
	secret = strings.TrimSpace(secret)
	secrets := []string{secret}
	if pair, err := base64.StdEncoding.DecodeString(secret); err == nil && strings.EqualFold(scheme, "Basic") {
		_, password, _ := strings.Cut(string(pair), ":")
		secrets = append(secrets, password)
	}
	return secrets
}

// Error returns err with a text that is a Line without the secrets. It unwraps to err.
func Error(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	line := Line(text, secrets...)
	if line == text {
		return err
	}
	return &lineError{line, err}
}

type lineError struct {
	line string
	err  error
}

func (e *lineError) Error() string { return e.line }
func (e *lineError) Unwrap() error { return e.err }

// Timeout reports whether the error is a timeout, for callers that do not unwrap it, such as package net/url.
func (e *lineError) Timeout() bool {
	late, ok := e.err.(interface{ Timeout() bool })
	return ok && late.Timeout()
}
