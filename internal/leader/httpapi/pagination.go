package httpapi

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/go-bexpr"
)

// pager picks one page out of a list that it is shown item by item, in order.
type pager struct {
	perPage int32
	target  string // the token of the first item wanted
	reverse bool
	filter  *bexpr.Evaluator

	started bool
	taken   int32
	next    string // the token of the first item left over
}

// newPager makes a pager for what the query string asks for.
func (c *call) newPager() (*pager, error) {
	p := &pager{perPage: c.perPage, target: c.nextToken, reverse: c.reverse, started: c.nextToken == ""}
	if c.filter != "" {
		var err error
		if p.filter, err = bexpr.CreateEvaluator(c.filter); err != nil {
			return nil, badRequest("failed to create result paginator: failed to read filter expression: %v", err)
		}
	}
	return p, nil
}

// token is what an item is known by between pages.
type token interface {
	String() string
	// compare orders it and the token in a request.
	compare(target string) int
}

// offer shows the pager an item that may be seen. datum is what filters look at.
// It reports whether the item belongs to the page, and whether the page is full:
// then it was shown one too many.
func (p *pager) offer(t token, datum func() any) (take, full bool, err error) {
	if !p.started {
		order := t.compare(p.target)
		if p.reverse {
			order = -order
		}
		if order < 0 {
			return false, false, nil
		}
	}
	if p.filter != nil {
		match, err := p.filter.Evaluate(datum())
		if err != nil {
			return false, false, badRequest("failed to read result page: %v", err)
		}
		if !match {
			return false, false, nil
		}
	}
	p.started = true
	p.taken++
	if p.perPage != 0 && p.taken > p.perPage {
		p.next = t.String()
		return false, true, nil
	}
	return true, false, nil
}

// pathToken is the token of what has a namespace and a name in it.
type pathToken struct{ namespace, name string }

func (t pathToken) String() string { return t.namespace + "." + t.name }

func (t pathToken) compare(target string) int {
	// A namespace has no dot. To compare the joined strings would be wrong where
	// one namespace begins with the name of another.
	namespace, name, ok := strings.Cut(target, ".")
	if !ok {
		return strings.Compare(t.String(), target)
	}
	return cmp.Or(strings.Compare(t.namespace, namespace), strings.Compare(t.name, name))
}

// idToken is the token of what has just an id.
type idToken string

func (t idToken) String() string { return string(t) }

func (t idToken) compare(target string) int { return strings.Compare(string(t), target) }

// indexToken is the token of what is ordered by the index it was created at.
type indexToken struct {
	index uint64
	id    string
}

func (t indexToken) String() string { return fmt.Sprintf("%d.%s", t.index, t.id) }

func (t indexToken) compare(target string) int {
	index, id, ok := strings.Cut(target, ".")
	n, err := strconv.ParseUint(index, 10, 64)
	if !ok || err != nil {
		return strings.Compare(t.String(), target)
	}
	return cmp.Or(cmp.Compare(t.index, n), strings.Compare(t.id, id))
}
