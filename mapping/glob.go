package mapping

import "unicode/utf8"

// Match reports whether an IAM glob matches all of s: * stands for any
// characters, / and none included, ? for any one character; case counts (AWS:
// "IAM JSON policy elements: Resource"). It goes back to the last * only, so it
// takes at most len(glob)·len(s) steps, whatever the glob.
func Match(glob, s string) bool {
	g, i := 0, 0
	star, mark := -1, 0
	for i < len(s) {
		switch {
		case g < len(glob) && glob[g] == '*':
			star, mark = g, i
			g++
		case g < len(glob) && glob[g] == '?':
			g++
			i += runeLen(s[i:])
		case g < len(glob) && glob[g] == s[i]:
			g++
			i++
		case star >= 0:
			mark += runeLen(s[mark:])
			g, i = star+1, mark
		default:
			return false
		}
	}
	for g < len(glob) && glob[g] == '*' {
		g++
	}
	return g == len(glob)
}

func runeLen(s string) int {
	if s[0] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}
