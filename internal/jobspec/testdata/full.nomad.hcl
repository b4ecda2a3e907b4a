# Everything that is read, and much that is not.
variable "env" {
  type    = string
  default = "staging"
}

variable "audiences" {
  type    = list(string)
  default = ["sts.amazonaws.com"]
}

variable "ports" {
  type    = map(number)
  default = { http = 8080, admin = 9090 }
}

variable "ttl_minutes" {
  default = 15
}

# Used only where nothing is read.
variable "image" {}

variables {
  team = "Payments"
}

locals {
  prefix   = "${lower(var.team)}-${var.env}"
  metadata = nonsense(var.image)
  names    = { for k, v in var.ports : k => "${local.prefix}-${k}" }
}

job "billing" {
  name        = "billing-${var.env}"
  namespace   = local.prefix
  region      = "eu"
  datacenters = ["dc-${var.env}", "dc2"]

  meta {
    image = unknown_function(var.image)
  }

  constraint {
    attribute = "${attr.kernel.name}"
    value     = var.image
  }

  vault {
    role      = "job-role"
    namespace = "job-ns"
  }

  group "api" {
    count = var.image

    network {
      mode = "bridge"
      port "http" {
        static = var.ports.http
        to     = 80
      }
      port "admin" {
        to = var.ports["admin"]
      }
      port "metrics" {}
      port "unused" {
        static = var.image
      }
    }

    consul {
      namespace = "group-consul"
      cluster   = "other"
    }

    service {
      name     = "${JOB}-${TASKGROUP}-${TASK}"
      provider = "nomad"
      port     = "http"
      tags     = concat(["v1", var.env], [for k in sort(keys(var.ports)) : upper(k)])

      check {
        type     = "http"
        path     = var.image
        interval = "10s"
        timeout  = "2s"
      }
    }

    service {
      name = var.image # not registered, so not evaluated
      port = "http"

      connect {
        sidecar_service {}
      }
    }

    dynamic "service" {
      for_each = local.names
      iterator = it
      content {
        name     = it.value
        provider = "nomad"
        port     = it.key
        tags     = ["${NOMAD_ALLOC_ID}", "host=${attr.unique.hostname}", "x=${env["HOME"]}", "$${NOMAD_DC}"]
      }
    }

    task "server" {
      driver = "exec"
      user   = "${var.env}-user"

      config {
        command = var.image
        args    = ["${NOMAD_SECRETS_DIR}", file("/does/not/exist")]
      }

      env = {
        X = var.image
      }

      template {
        data = <<EOT
{{ with nomadVar "nomad/jobs/billing" }}{{ .password }}{{ end }} ${var.image}
EOT
      }

      identity {
        env  = true
        file = true
      }

      identity {
        name          = "aws"
        aud           = var.audiences
        ttl           = "${var.ttl_minutes * 4}m"
        file          = true
        filepath      = "local/${var.env}/aws.jwt"
        change_mode   = "signal"
        change_signal = "sighup"
      }

      identity {
        name = "vault_default"
        aud  = ["vault.io"]
        ttl  = 3600000000000
      }

      identity {
        name = "consul_default"
        aud  = ["consul.io"]
        env  = "true"
      }

      vault {
        role     = "task-role"
        policies = [var.image]
      }

      service {
        provider = "nomad"
        port     = "9999"
        address  = "10.0.0.${1 + 1}"

        identity {
          name = "consul-service_billing"
          aud  = ["consul.io", "other"]
          ttl  = "1h"
        }
      }
    }

    task "sidecar" {
      consul {}

      identity {
        name = "vault_other"
        aud  = ["vault.io"]
      }

      identity {
        name = "consul_default"
        aud  = ["consul.io"]
      }
    }
  }

  group "grouped" {
    vault {
      namespace = "group-ns"
    }

    task "inherits" {
      identity {
        name = "vault_default"
        aud  = ["vault.io"]
      }
      identity {
        name = "consul_default"
        aud  = ["consul.io"]
      }
      resources {
        network {
          port "db" {
            static = 5432
          }
        }
      }
      service {
        provider = "nomad"
        port     = "db"
      }
    }

    dynamic "task" {
      for_each = ["one", "two"]
      labels   = ["worker-${task.key}"]
      content {
        user = task.value
      }
    }
  }

  task "lone" {
    driver = "exec"
    identity {
      name = "vault_default"
      aud  = ["vault.io"]
      env  = true
    }
  }
}
