package mapping

import (
	"regexp"
	"strings"
)

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

var (
	arnForm   = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):execute-api:[a-z0-9-]{1,32}:[0-9]{12}:[A-Za-z0-9_-]{1,64}$`)
	stageForm = regexp.MustCompile(`^([A-Za-z0-9_-]{1,128}|\$default)$`)
)

// ParseAPI checks the ARN of an API (without stage) and the name of a stage.
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
	if arnForm.MatchString(arn) {
		return nil
	}
	return fault("arn", arn, "must be arn:{aws|aws-cn|aws-us-gov}:execute-api:{region}:{12-digit account}:{apiId}, without stage or path")
}

func checkStage(stage string) error {
	if stageForm.MatchString(stage) {
		return nil
	}
	return fault("stage", stage, "must be 1 to 128 letters, digits, - or _, or $default")
}
