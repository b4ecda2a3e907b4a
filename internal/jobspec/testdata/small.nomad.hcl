job "web" {
  group "front" {
    network {
      port "http" {
        to = 8080
      }
    }

    service {
      name     = "${NOMAD_NAMESPACE}-web"
      provider = "nomad"
      port     = "http"
      tags     = ["alloc=${NOMAD_SHORT_ALLOC_ID}", "rack=${meta.rack}"]
    }

    task "server" {
      driver = "exec"
      identity {
        env = true
      }
    }
  }
}
