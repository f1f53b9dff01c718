package safetext

import "regexp"

// masked stands for what may be a secret.
const masked = "…"

var (
	// A value after a name that says it is a secret: in an assignment, a header, JSON or YAML, or as an option's.
	assigned    = regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)?|secret|token|credentials?|(?:api|access|private)[-_]?key|authorization|cookie)[\w-]*(?:=["']?|["']\s*:\s*["']?))[^\s"',;&}]+`)
	optionValue = regexp.MustCompile(`(?i)(--?[\w-]*(?:password|passwd|passphrase|secret|token|key)[\w-]*\s+["']?)[^\s"'-][^\s"']*`)
	afterColon  = regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)|secret[\w-]*):\s+["']?)[^\s"',;]+`)
	// After these words an ordinary sentence may go on: what has no digit is a part of it.
	afterWord = regexp.MustCompile(`(?i)((?:token|credentials?|[-_]key|authorization|cookie)[\w-]*:\s+["']?|\b(?:bearer|basic)\s+)([^\s"',;]*[0-9=][^\s"',;]*)`)
	// What a login has in a URL or a form, and says of itself in words.
	parameter = regexp.MustCompile(`(?i)((?:[?&](?:code|key|sig|signature|state)|\bkey|\bsession[-_]?id|\bsaml(?:response|request)|\bassertion|\botp)=["']?)[^\s"',;&}]+`)
	afterIs   = regexp.MustCompile(`((?i:\b(?:password|passwd|passphrase|passcode)\s+is)\s+["']?)[^\s"',;]*[0-9A-Z=!@#$%^&*_][^\s"',;]*`)
	afterCode = regexp.MustCompile(`(?i)(\b(?:otp|passcode|code)\s+(?:is\s+)?)[0-9]{6,}`)
	userinfo  = regexp.MustCompile(`(://)[^/\s"'@]+(@)`) // of a URL
	// What is a secret by its own form: a JWT, and the keys and tokens of clouds and code hosts.
	known = regexp.MustCompile(`\beyJ[A-Za-z0-9_.-]+|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bgh[oprsu]_[A-Za-z0-9]{10,}|\bgithub_pat_\w{10,}|\bglpat-[\w-]{10,}|\bxox[abeprs]-[\w-]{10,}|\bhv[bs]\.[\w-]{10,}|\bya29\.[\w-]{10,}`)
)

// Mask replaces what may be a secret in text from elsewhere: what is called a password, a token or the like, and what has
// the form of one. It knows no secret, so that it can neither find all of them nor spare all other words.
func Mask(s string) string {
	s = known.ReplaceAllString(s, masked)
	s = userinfo.ReplaceAllString(s, "${1}"+masked+"${2}")
	for _, pattern := range []*regexp.Regexp{assigned, optionValue, afterColon, afterWord, parameter, afterIs, afterCode} {
		s = pattern.ReplaceAllString(s, "${1}"+masked)
	}
	return s
}
