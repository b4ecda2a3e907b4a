# A container with taskagent brought along as an artifact.
#
# Shows: the image needs nothing of ours. Nomad downloads the static binary into
# the task's local directory, which the docker driver mounts at /local, and the
# container's entry point is taskagent with the image's own command behind it.
# Replace the source by where you keep the binary, and the image and command.

job "docker" {
  group "g" {
    network {
      port "http" { to = 8080 }
    }

    task "web" {
      driver = "docker"
      user   = "nobody"

      artifact {
        source      = "https://example.com/taskagent/linux_${attr.cpu.arch}/taskagent"
        destination = "local/bin"
        mode        = "any"
      }

      config {
        image      = "busybox:1"
        ports      = ["http"]
        entrypoint = ["/local/bin/taskagent", "run", "-identity", "name=api,change_mode=signal,change_signal=SIGHUP", "--"]
        args       = ["httpd", "-f", "-p", "8080"]
      }

      identity {
        name = "api"
        aud  = ["api.example.com"]
        file = true
        ttl  = "1h"
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
