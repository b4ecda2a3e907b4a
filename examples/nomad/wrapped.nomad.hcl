# taskagent as the command of a task, with the raw_exec driver (exec is the same).
#
# Shows: the task calls the Task API over a socket that refuses bad tokens even
# where the cluster's ACLs are off, and needs no token of its own to do so:
# -inject-token lets the task's own user in. Renewals act on the child alone.

variable "taskagent" {
  type    = string
  default = "/usr/local/bin/taskagent"
}

job "wrapped" {
  group "g" {
    task "server" {
      driver = "raw_exec"

      config {
        command = var.taskagent
        args    = ["run", "-inject-token", "--", "sh", "-c", "curl -s --unix-socket secrets/taskagent.sock localhost/v1/vars; echo; exec sleep 3600"]
      }

      identity {
        file = true
      }

      resources {
        cpu    = 50
        memory = 64
      }
    }
  }
}
