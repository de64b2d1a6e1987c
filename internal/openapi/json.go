package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// jsonReader reads JSON as a stream: what does not matter is passed over without
// being kept.
type jsonReader struct {
	*json.Decoder
	budget
}

// pass is a value that is read and forgotten.
type pass struct{}

func (pass) UnmarshalJSON([]byte) error { return nil }

func parseJSON(b []byte) (*node, error) {
	r := &jsonReader{Decoder: json.NewDecoder(bytes.NewReader(b))}
	r.UseNumber()
	root, err := r.value(document, 0)
	if err != nil {
		return nil, fmt.Errorf("JSON: at byte %d: %w", r.InputOffset(), err)
	}
	if _, err := r.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("JSON: at byte %d: must be one document, with nothing behind it", r.InputOffset())
	}
	return root, nil
}

func (r *jsonReader) value(k *keep, depth int) (*node, error) {
	if err := r.spend(depth); err != nil {
		return nil, err
	}
	token, err := r.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return r.object(k, depth)
		}
		return r.list(k, depth)
	case string:
		return &node{kind: text, text: t}, nil
	case nil:
		return &node{kind: null}, nil
	}
	return &node{kind: scalar, text: fmt.Sprint(token)}, nil
}

func (r *jsonReader) object(k *keep, depth int) (*node, error) {
	n := &node{kind: object}
	for r.More() {
		token, err := r.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if !ok {
			return nil, errors.New("a name must be a string")
		}
		if err := r.member(n, name, k, depth); err != nil {
			return nil, err
		}
	}
	_, err := r.Token() // the }
	return n, err
}

func (r *jsonReader) member(n *node, name string, k *keep, depth int) error {
	inner := k.of(name)
	if inner != nil {
		value, err := r.value(inner, depth+1)
		if err != nil {
			return err
		}
		return n.add(name, value)
	}
	if err := r.Decode(new(pass)); err != nil || !k.names {
		return err
	}
	if err := r.spend(depth); err != nil {
		return err
	}
	return n.add(name, &node{kind: skipped})
}

func (r *jsonReader) list(k *keep, depth int) (*node, error) {
	n := &node{kind: list}
	for r.More() {
		if !k.all {
			if err := r.Decode(new(pass)); err != nil {
				return nil, err
			}
			continue
		}
		item, err := r.value(k, depth+1)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, item)
	}
	_, err := r.Token() // the ]
	return n, err
}
