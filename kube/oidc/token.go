package oidc

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// Expiry returns the claim exp of a JSON web token (RFC 7519, section 4.1.4), zero if there is none. It does not verify
// the token, which the API server does.
func Expiry(token string) time.Time {
	part := strings.Split(strings.TrimSpace(token), ".")
	if len(part) != 3 {
		return time.Time{}
	}
	claims, err := base64.RawURLEncoding.DecodeString(part[1])
	if err != nil {
		return time.Time{}
	}
	var c struct {
		Exp float64 `json:"exp"`
	}
	if json.Unmarshal(claims, &c) != nil || c.Exp <= 0 || c.Exp > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(c.Exp), 0)
}

// A tokens is what a provider issues, and a user entry has.
type tokens struct{ id, refresh string }

func tokensOf(settings map[string]string) tokens {
	return tokens{id: headerToken(settings[keyID]), refresh: settings[keyRefresh]}
}

// headerToken returns token if it may be sent in a header and has an expiry, or nothing.
func headerToken(token string) string {
	if Expiry(token).IsZero() || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return token
}
