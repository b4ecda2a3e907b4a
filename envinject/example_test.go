package envinject_test

import (
	"fmt"

	"github.com/taskagent/taskagent/envinject"
)

func ExampleMerge() {
	caller := []string{"PATH=/bin", "NOMAD_TOKEN=the-operator's", "NOMAD_REGION=eu"}
	task := envinject.TaskEnv{Region: "global", Tokens: map[string]string{"NOMAD_TOKEN": "the-task's"}}
	for _, v := range envinject.Merge(caller, envinject.MergeOptions{Task: task.Vars()}) {
		switch v {
		case "PATH=/bin", "NOMAD_REGION=global", "NOMAD_TOKEN=the-task's":
			fmt.Println(v)
		}
	}
	// Output:
	// PATH=/bin
	// NOMAD_REGION=global
	// NOMAD_TOKEN=the-task's
}
