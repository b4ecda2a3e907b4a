# change_mode signal, done by taskagent.
#
# Shows: when Nomad renews the identity, the task gets SIGHUP once the new token is in its file.
# The identity block itself has no change_mode: Nomad would act a second time,
# and its restart is one of the whole task, taskagent included.

variable "taskagent" {
  type    = string
  default = "/usr/local/bin/taskagent"
}

job "change-signal" {
  group "g" {
    task "server" {
      driver = "raw_exec"

      config {
        command = var.taskagent
        args    = ["run", "-identity", "name=api,change_mode=signal,change_signal=SIGHUP", "--", "sh", "-c", "trap 'echo renewed' HUP; while :; do sleep 1; done"]
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
