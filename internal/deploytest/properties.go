//go:build deploy

package deploytest

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

//go:embed testdata/properties.txt
var propertyList string

// shape is what a resource of one type may hold.
type shape struct {
	paths      map[string]property
	attributes []string // of Fn::GetAtt
}

type property struct {
	required bool
	free     bool     // anything may stand below
	values   []string // the only ones, if any
}

// known are the shapes of the list, by type.
var known = sync.OnceValue(func() map[string]shape {
	all := map[string]shape{}
	kind := ""
	for line := range strings.Lines(propertyList) {
		line = strings.TrimRight(line, "\n")
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "#"):
		case !strings.HasPrefix(line, " "):
			kind = words[0]
			all[kind] = shape{paths: map[string]property{}}
		case words[0] == "->":
			s := all[kind]
			s.attributes = append(s.attributes, words[1])
			all[kind] = s
		default:
			all[kind].paths[strings.TrimSuffix(words[0], "!")] = propertyOf(words)
		}
	}
	return all
})

func propertyOf(words []string) property {
	p := property{required: strings.HasSuffix(words[0], "!")}
	if len(words) > 1 && words[1] == "any" {
		p.free = true
	} else if len(words) > 1 {
		p.values = strings.Split(words[1], "|")
	}
	return p
}

func (s shape) gives(attribute string) bool { return slices.Contains(s.attributes, attribute) }

// below reports whether a path has members of its own.
func (s shape) below(path string) bool {
	for p := range s.paths {
		if strings.HasPrefix(p, path+".") {
			return true
		}
	}
	return false
}

// Attributes of a resource besides its properties (AWS: "Resource attribute
// reference").
var resourceAttributes = []string{"Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "Metadata"}

// sections of a template (AWS: "Template sections").
var sections = []string{"AWSTemplateFormatVersion", "Description", "Parameters", "Conditions", "Resources", "Outputs", "Mappings", "Rules", "Metadata"}

// checkProperties finds types that are not in the list, and properties that their
// type has not: osls does not look inside `resources:`, and CloudFormation does so
// only once it is asked to deploy them.
func checkProperties(template object) []error {
	errs := foreign("the template", template, sections)
	for _, r := range resources(template) {
		errs = append(errs, foreign(r.id, r.all, resourceAttributes)...)
		s, ok := known()[r.kind]
		if !ok {
			errs = append(errs, fmt.Errorf("%s: type %q: is not in the list of known ones", r.id, r.kind))
			continue
		}
		errs = append(errs, s.check(r.id, "", r.properties)...)
	}
	return errs
}

func foreign(where string, o object, names []string) []error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(names, name) {
			errs = append(errs, fmt.Errorf("%s: %s: is not known there", where, name))
		}
	}
	return errs
}

// check is of a value at a path, "" being all properties.
func (s shape) check(id, path string, v any) []error {
	if s.paths[path].free {
		return nil
	}
	var errs []error
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			errs = append(errs, s.check(id, path, one)...)
		}
		return errs
	case object:
		return s.checkObject(id, path, v)
	}
	switch allowed := s.paths[path].values; {
	case s.below(path):
		errs = append(errs, fmt.Errorf("%s: %s: must hold properties, not %v", id, path, v))
	case len(allowed) > 0 && !slices.Contains(allowed, fmt.Sprint(v)):
		errs = append(errs, fmt.Errorf("%s: %s %v: must be one of %v", id, path, v, allowed))
	}
	return errs
}

func (s shape) checkObject(id, path string, v object) []error {
	var errs []error
	if name, argument, ok := intrinsic(v); ok {
		if list, _ := argument.([]any); name == "Fn::If" && len(list) == 3 {
			errs = append(s.check(id, path, list[1]), s.check(id, path, list[2])...)
		}
		return errs
	}
	if path != "" && !s.below(path) {
		return []error{fmt.Errorf("%s: %s: must be a plain value", id, path)}
	}
	prefix := ""
	if path != "" {
		prefix = path + "."
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if _, ok := s.paths[prefix+name]; !ok {
			errs = append(errs, fmt.Errorf("%s: property %s%s: is none of its type", id, prefix, name))
			continue
		}
		errs = append(errs, s.check(id, prefix+name, v[name])...)
	}
	for _, p := range slices.Sorted(maps.Keys(s.paths)) {
		name, in := strings.CutPrefix(p, prefix)
		if in && !strings.Contains(name, ".") && s.paths[p].required && v[name] == nil {
			errs = append(errs, fmt.Errorf("%s: property %s: must be given", id, p))
		}
	}
	return errs
}
