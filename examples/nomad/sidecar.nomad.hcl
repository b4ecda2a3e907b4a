# taskagent as a prestart sidecar, for a main task that cannot be wrapped.
#
# Shows: `serve` beside the main task, with a loopback port for a client that
# cannot dial Unix sockets. The main task sends its own token, which Nomad
# delivers to it; the sidecar's listener lets nothing through without one. The
# two share the group's network, not their secrets.

variable "taskagent" {
  type    = string
  default = "/usr/local/bin/taskagent"
}

job "sidecar" {
  group "g" {
    task "taskagent" {
      driver = "raw_exec"

      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      config {
        command = var.taskagent
        args    = ["serve", "-listen", "127.0.0.1:14646"]
      }

      identity {
        file = true
      }

      resources {
        cpu    = 50
        memory = 32
      }
    }

    task "main" {
      driver = "raw_exec"

      config {
        command = "sh"
        args    = ["-c", "until curl -sf -H \"X-Nomad-Token: $(cat secrets/nomad_token)\" http://127.0.0.1:14646/v1/vars; do sleep 1; done; exec sleep 3600"]
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
