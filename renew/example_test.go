package renew_test

import (
	"context"
	"fmt"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/renew"
)

// leader stands for whoever signs tokens.
type leader struct{}

func (leader) Fetch(ctx context.Context, names []string) (map[string]identity.Token, error) {
	tokens := make(map[string]identity.Token)
	for i, name := range names {
		tokens[name] = newToken(i, time.Now(), time.Hour)
	}
	return tokens, nil
}

func Example() {
	r, err := renew.New(renew.Config{Source: leader{}, Names: []string{"default", "aws"}})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go r.Run(ctx)
	for update := range r.Watch().C() {
		fmt.Println("new:", update.Changed)
		for _, token := range update.Tokens {
			fmt.Println(token, "lives", token.Expiry().Sub(token.IssuedAt()))
		}
		cancel() // ends Run, which closes the channel
	}
	// Output:
	// new: [aws default]
	// identity.Token(redacted) lives 1h0m0s
	// identity.Token(redacted) lives 1h0m0s
}
