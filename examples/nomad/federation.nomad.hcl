# Credentials of AWS, Google Cloud and Azure from workload identities.
#
# Shows: one identity for each cloud, each with the audience that cloud expects,
# in a file that its SDK reads again by itself. The cloud has to trust the
# cluster's issuer: `server { oidc_issuer = "https://…" }` in Nomad, whose
# /.well-known/openid-configuration and jwks.json the cloud must be able to reach.
# Every identity has a ttl: no cloud takes a token that never expires.

variable "taskagent" {
  type    = string
  default = "/usr/local/bin/taskagent"
}

job "federation" {
  group "g" {
    task "backup" {
      driver = "raw_exec"

      config {
        command = var.taskagent
        args    = ["run", "--", "sh", "-c", "ls secrets; exec sleep 3600"]
      }

      identity {
        name = "aws"
        aud  = ["sts.amazonaws.com"]
        file = true
        ttl  = "1h"
      }

      identity {
        name = "gcp"
        aud  = ["//iam.googleapis.com/projects/123456789/locations/global/workloadIdentityPools/nomad/providers/nomad"]
        file = true
        ttl  = "1h"
      }

      identity {
        name = "azure"
        aud  = ["api://AzureADTokenExchange"]
        file = true
        ttl  = "1h"
      }

      env {
        # AWS: sts:AssumeRoleWithWebIdentity, by every SDK.
        AWS_ROLE_ARN                = "arn:aws:iam::123456789012:role/backup"
        AWS_WEB_IDENTITY_TOKEN_FILE = "${NOMAD_SECRETS_DIR}/nomad_aws.jwt"

        # Google Cloud: a file made once by `gcloud iam workload-identity-pools
        # create-cred-config … --credential-source-file=…/nomad_gcp.jwt`.
        GOOGLE_APPLICATION_CREDENTIALS = "${NOMAD_TASK_DIR}/gcp.json"

        # Azure: workload identity, by every SDK.
        AZURE_TENANT_ID            = "00000000-0000-0000-0000-000000000000"
        AZURE_CLIENT_ID            = "00000000-0000-0000-0000-000000000000"
        AZURE_FEDERATED_TOKEN_FILE = "${NOMAD_SECRETS_DIR}/nomad_azure.jwt"
      }

      template {
        destination = "local/gcp.json"
        data        = <<EOT
{
  "type": "external_account",
  "audience": "//iam.googleapis.com/projects/123456789/locations/global/workloadIdentityPools/nomad/providers/nomad",
  "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
  "token_url": "https://sts.googleapis.com/v1/token",
  "credential_source": { "file": "{{ env "NOMAD_SECRETS_DIR" }}/nomad_gcp.jwt" }
}
EOT
      }

      resources {
        cpu    = 50
        memory = 64
      }
    }
  }
}
