package policy

import "unicode/utf8"

// size is the bytes of the statement when it is written minified.
func (s Statement) size() int {
	n := len(`{"Action":,"Effect":""}`) + s.Action.size() + len(s.Effect)
	if len(s.Resource) > 0 {
		n += len(`"Resource":,`) + s.Resource.size()
	}
	if len(s.NotResource) > 0 {
		n += len(`"NotResource":,`) + s.NotResource.size()
	}
	if len(s.Condition) == 0 {
		return n
	}
	n += len(`"Condition":{},`) - 1
	for operator, keys := range s.Condition {
		n += len(operator) + len(`"":{},`) - 1
		for key, values := range keys {
			n += len(key) + len(`"":,`) + values.size()
		}
	}
	return n
}

func (s Strings) size() int {
	n := len("[]") + len(s) - 1
	if len(s) == 1 {
		n = 0
	}
	for _, v := range s {
		n += textSize(v)
	}
	return n
}

// textSize is the bytes of a JSON string as encoding/json writes it.
func textSize(s string) int {
	n := len(`""`)
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case c == '"' || c == '\\' || c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t':
			n += 2
		case c < 0x20 || c == 0x2028 || c == 0x2029 || c == utf8.RuneError && size == 1:
			n += 6
		default:
			n += size
		}
		i += size
	}
	return n
}
