package safetext

import "regexp"

// masked replaces what may be a secret.
const masked = "…"

var (
	// A value after the name of a secret: in an assignment, a header, JSON or YAML, or an option.
	assigned    = regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)?|secret|token|credentials?|(?:api|access|private)[-_]?key|authorization|cookie)[\w-]*(?:=["']?|["']\s*:\s*["']?))[^\s"',;&}]+`)
	optionValue = regexp.MustCompile(`(?i)(--?[\w-]*(?:password|passwd|passphrase|secret|token|key)[\w-]*\s+["']?)[^\s"'-][^\s"']*`)
	afterColon  = regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)|secret[\w-]*):\s+["']?)[^\s"',;]+`)
	// These words may be followed by an ordinary sentence: a word without a digit is a part of it.
	afterWord = regexp.MustCompile(`(?i)((?:token|credentials?|[-_]key|authorization|cookie)[\w-]*:\s+["']?|\b(?:bearer|basic)\s+)([^\s"',;]*[0-9=][^\s"',;]*)`)
	// The parameters of a login in a URL or a form, and in sentences.
	parameter = regexp.MustCompile(`(?i)((?:[?&](?:code|key|sig|signature|state)|\bkey|\bsession[-_]?id|\bsaml(?:response|request)|\bassertion|\botp)=["']?)[^\s"',;&}]+`)
	afterIs   = regexp.MustCompile(`((?i:\b(?:password|passwd|passphrase|passcode)\s+is)\s+["']?)[^\s"',;]*[0-9A-Z=!@#$%^&*_][^\s"',;]*`)
	afterCode = regexp.MustCompile(`(?i)(\b(?:otp|passcode|code)\s+(?:is\s+)?)[0-9]{6,}`)
	userinfo  = regexp.MustCompile(`(://)[^/\s"'@]+(@)`) // of a URL
	// What has the form of a secret: a JWT, and the keys and tokens of clouds and code hosts.
	known = regexp.MustCompile(`\beyJ[A-Za-z0-9_.-]+|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bgh[oprsu]_[A-Za-z0-9]{10,}|\bgithub_pat_\w{10,}|\bglpat-[\w-]{10,}|\bxox[abeprs]-[\w-]{10,}|\bhv[bs]\.[\w-]{10,}|\bya29\.[\w-]{10,}`)
)

// Mask replaces what may be a secret in text from elsewhere: values with names such as password or token, and words in
// the form of a token. It is a heuristic: it may miss secrets, and may replace other words.
func Mask(s string) string {
	s = known.ReplaceAllString(s, masked)
	s = userinfo.ReplaceAllString(s, "${1}"+masked+"${2}")
	for _, pattern := range []*regexp.Regexp{assigned, optionValue, afterColon, afterWord, parameter, afterIs, afterCode} {
		s = pattern.ReplaceAllString(s, "${1}"+masked)
	}
	return s
}
