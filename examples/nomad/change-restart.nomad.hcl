# change_mode restart, done by taskagent.
#
# Shows: when Nomad renews the identity, the task alone is restarted, with the new token in its environment; taskagent and the allocation go on.
# The identity block itself has no change_mode: Nomad would act a second time,
# and its restart is one of the whole task, taskagent included.

variable "taskagent" {
  type    = string
  default = "/usr/local/bin/taskagent"
}

job "change-restart" {
  group "g" {
    task "server" {
      driver = "raw_exec"

      config {
        command = var.taskagent
        args    = ["run", "-identity", "name=api,env,change_mode=restart", "--", "sh", "-c", "echo started with a token of $(printenv NOMAD_TOKEN_api | wc -c) bytes; exec sleep 3600"]
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
