package secretsdir_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/taskagent/taskagent/secretsdir"
)

// A task reads its token where it needs it. The file is read anew each time, so
// a renewal needs nothing from the task.
func ExampleRead() {
	token, err := secretsdir.Read(secretsdir.Default)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Authorization: Bearer", token)
}

// A task that has to do something with every new token watches it.
func ExampleWatch() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	os.Setenv("NOMAD_SECRETS_DIR", dir) // set by whoever runs the task

	path, err := secretsdir.Path("aws")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w, err := secretsdir.Watch(ctx, path)
	if err != nil {
		log.Fatal(err)
	}
	agent(dir) // publishes a token
	for range w.C() {
		fmt.Println("log in again with the new token")
		cancel() // C is closed then
	}
	// Output: log in again with the new token
}

// agent does what taskagent does on the other side.
func agent(secrets string) {
	d, err := secretsdir.Open(secrets, secretsdir.Options{UID: secretsdir.Keep, GID: secretsdir.Keep})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	if err := d.Publish("nomad_aws.jwt", []byte(token(1))); err != nil {
		log.Fatal(err)
	}
}
