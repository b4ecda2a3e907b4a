# change_mode noop, done by taskagent.
#
# Shows: when Nomad renews the identity, nothing happens to the task: it reads the file whenever it needs the token.
# The identity block itself has no change_mode: Nomad would act a second time,
# and its restart is one of the whole task, taskagent included.

variable "taskagent" {
  type    = string
  default = "/usr/local/bin/taskagent"
}

job "change-noop" {
  group "g" {
    task "server" {
      driver = "raw_exec"

      config {
        command = var.taskagent
        args    = ["run", "-identity", "name=api,change_mode=noop", "--", "sh", "-c", "while :; do wc -c < secrets/nomad_api.jwt; sleep 5; done"]
      }

      identity {
        name = "api"
        aud  = ["api.example.com"]
        file = true
        ttl  = "1h"
      }

      resources {
        cpu    = 50
        memory = 64
      }
    }
  }
}
