package mapping

import "strings"

// MaxResourceARN is the longest resource ARN API Gateway takes in an
// authorizer's policy, in characters (AWS: "Amazon API Gateway quotas").
const MaxResourceARN = 512

// API names one stage of one API: the key of a table.
type API struct {
	ARN   string // arn:{partition}:execute-api:{region}:{account}:{apiId}
	Stage string // case-sensitive
}

// ID is the API's own id, the last part of its ARN.
func (a API) ID() string { return a.ARN[strings.LastIndexByte(a.ARN, ':')+1:] }

// Region is the AWS region of the API.
func (a API) Region() string {
	if p := strings.Split(a.ARN, ":"); len(p) == 6 {
		return p[3]
	}
	return ""
}

// String is for people; it is no key, use the struct.
func (a API) String() string { return a.ARN + "/" + a.Stage }

// ParseAPI checks the ARN of an API (without stage) and the name of a stage. Of
// what is right it allocates nothing: each request's ARN passes here.
func ParseAPI(arn, stage string) (API, error) {
	if err := checkARN(arn); err != nil {
		return API{}, err
	}
	if err := checkStage(stage); err != nil {
		return API{}, err
	}
	return API{ARN: arn, Stage: stage}, nil
}

func checkARN(arn string) error {
	if isAPIARN(arn) {
		return nil
	}
	return fault("arn", arn, "must be arn:{aws|aws-cn|aws-us-gov}:execute-api:{region}:{12-digit account}:{apiId}, without stage or path")
}

func checkStage(stage string) error {
	if stage == "$default" || isEach(stage, 1, 128, isWordOrDash) {
		return nil
	}
	return fault("stage", stage, "must be 1 to 128 letters, digits, - or _, or $default")
}

// isAPIARN reads the parts between colons from left to right.
func isAPIARN(arn string) bool {
	scheme, rest, _ := strings.Cut(arn, ":")
	partition, rest, _ := strings.Cut(rest, ":")
	service, rest, _ := strings.Cut(rest, ":")
	region, rest, _ := strings.Cut(rest, ":")
	account, id, _ := strings.Cut(rest, ":")
	return scheme == "arn" && (partition == "aws" || partition == "aws-cn" || partition == "aws-us-gov") && service == "execute-api" &&
		isEach(region, 1, 32, isRegion) && isEach(account, 12, 12, isDigit) && isEach(id, 1, 64, isWordOrDash)
}

// isEach reports whether a text has so many bytes, each of a kind.
func isEach(s string, least, most int, kind func(byte) bool) bool {
	if len(s) < least || len(s) > most {
		return false
	}
	for i := range len(s) {
		if !kind(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isRegion(c byte) bool { return 'a' <= c && c <= 'z' || isDigit(c) || c == '-' }

func isWordOrDash(c byte) bool { return isRegion(c) || 'A' <= c && c <= 'Z' || c == '_' }

// IsGUID reports whether s is a GUID in lower case, as Entra writes them. It is a
// loop: a start pays for each regular expression that is compiled.
func IsGUID(s string) bool {
	if len(s) != len("00000000-0000-0000-0000-000000000000") {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !isDigit(s[i]) && (s[i] < 'a' || s[i] > 'f') {
				return false
			}
		}
	}
	return true
}
