package safetext_test

import (
	"strings"
	"testing"

	"fairlead/proxy/safetext"
)

func TestMaskHidesSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"password=hunter2 was refused":                     "password=… was refused",
		"PGPASSWORD='hunter2' psql":                        "PGPASSWORD='…' psql",
		"login --token hunter2 --region eu":                "login --token … --region eu",
		"login --client-secret=hunter2 failed":             "login --client-secret=… failed",
		`{"user":"me","password":"hunter2","code":1}`:      `{"user":"me","password":"…","code":1}`,
		`{"access_token": "hunter"}`:                       `{"access_token": "…"}`,
		"wrong password: hunter":                           "wrong password: …",
		"AWS_SECRET_ACCESS_KEY: hunter2":                   "AWS_SECRET_ACCESS_KEY: …",
		"Authorization: Bearer hunter2":                    "Authorization: Bearer …",
		"sent Basic aHVudGVyMjpodW50ZXI= to it":            "sent Basic … to it",
		"your password is hunter2, is it":                  "your password is …, is it",
		"/cb?code=hunter2&state=hunter3":                   "/cb?code=…&state=…",
		"sent key=hunter2":                                 "sent key=…",
		"sessionid=hunter2; path=/":                        "sessionid=…; path=/",
		"SAMLResponse=hunter2":                             "SAMLResponse=…",
		"assertion=hunter2":                                "assertion=…",
		"the OTP 12345678 was used":                        "the OTP … was used",
		"id_token: hunter2":                                "id_token: …",
		"key AKIAIOSFODNN7EXAMPLE of ghp_0123456789abcdef": "key … of …",
		"no /eyJhbGciOiJSUzI1NiJ9.eyJzdWIi.c2ln":           "no /…",
	} {
		got := safetext.Mask(text)
		if got != want {
			t.Errorf("Mask(%q) = %q, want %q", text, got, want)
		}
		if strings.Contains(got, "hunter") {
			t.Errorf("Mask(%q) = %q has the secret", text, got)
		}
	}
}

func TestMaskLeavesSentencesAlone(t *testing.T) {
	for _, text := range []string{
		"", "status code 500", "the password is wrong", "your password is too short.", "exit code 127", "key not found", "/x?zone=a&monkey=1", "the token has expired", "enter your password:", "invalid token: it has expired",
		"error getting token: context deadline exceeded", "basic authentication failed", "a bearer token is needed",
		"open /home/me/.aws/credentials: permission denied", "run aws sso login --profile dev", "secret not found",
	} {
		if got := safetext.Mask(text); got != text {
			t.Errorf("Mask(%q) = %q", text, got)
		}
	}
}
