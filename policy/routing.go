package policy

import (
	"encoding/binary"
)

// state is where API Gateway's routing stands after some segments of a path: all
// the nodes that may still win, most specific first, and the {name+} that takes
// what they do not. Two paths that lead to one state are routed alike from
// there on (AWS: "Routing API requests"; a literal before {name} before
// {name+}, from left to right).
type state struct {
	nodes    []*node
	greedy   int32
	words    map[string]*state // the segments that some literal names
	other    *state            // any other segment; nil where no route goes on
	expanded bool              // words and other are filled in
	end      int32             // the route of the path that ends here; none without one
	slash    int32             // the route of the path that ends here with a slash
}

// mostStates bounds the states that are worked out ahead, for each route: tables
// made for it have exponentially many. The rest is worked out when asked for.
const mostStates = 16

// routing is the deterministic automaton of a method's tree.
type routing struct {
	known map[string]*state
	limit int
}

func newRouting(n *node, limit int) *state {
	r := routing{known: map[string]*state{}, limit: limit}
	first := r.intern(newState([]*node{n}, none))
	queue := []*state{first}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		if len(r.known) > r.limit {
			break
		}
		for _, m := range s.nodes {
			for _, c := range m.sorted {
				if _, done := s.words[c.text]; !done {
					if s.words == nil { // most states are ends
						s.words = make(map[string]*state, len(m.sorted))
					}
					s.words[c.text] = r.internNext(s.after(c.text), &queue)
				}
			}
		}
		s.other = r.internNext(s.after(""), &queue)
		s.expanded = true
	}
	return first
}

func (r *routing) internNext(s *state, queue *[]*state) *state {
	if s == nil {
		return nil
	}
	before := len(r.known)
	s = r.intern(s)
	if len(r.known) > before {
		*queue = append(*queue, s)
	}
	return s
}

// intern gives back the one state of the same nodes.
func (r *routing) intern(s *state) *state {
	key := make([]byte, 0, 4*len(s.nodes)+4)
	for _, n := range s.nodes {
		key = binary.LittleEndian.AppendUint32(key, uint32(n.id))
	}
	key = binary.LittleEndian.AppendUint32(key, uint32(s.greedy))
	if known := r.known[string(key)]; known != nil {
		return known
	}
	r.known[string(key)] = s
	return s
}

func newState(nodes []*node, greedy int32) *state {
	s := &state{nodes: nodes, greedy: greedy, end: greedy, slash: greedy}
	for i := len(nodes) - 1; i >= 0; i-- {
		if nodes[i].end != none {
			s.end = nodes[i].end
		}
		if nodes[i].endSlash != none {
			s.slash = nodes[i].endSlash
		}
	}
	return s
}

// next is the state after one more segment, nil if no route goes on. free stands
// for a segment that no literal names.
func (s *state) next(segment string) *state {
	if !s.expanded {
		if segment == free {
			segment = ""
		}
		return s.after(segment)
	}
	if word, ok := s.words[segment]; ok {
		return word
	}
	return s.other
}

// after works out the state after a segment; "" is one that no literal names.
func (s *state) after(segment string) *state {
	if len(s.nodes) == 0 {
		return s // nothing but a {name+} is left
	}
	var nodes []*node
	for _, n := range s.nodes {
		if c := n.literals[segment]; c != nil {
			nodes = append(nodes, c)
		}
		if n.any != nil {
			nodes = append(nodes, n.any)
		}
		if n.greedy != none {
			return newState(nodes, n.greedy) // whatever is less specific never wins
		}
	}
	if len(nodes) == 0 && s.greedy == none {
		return nil
	}
	return newState(nodes, s.greedy)
}
