# Delivers the job vip every night. The secrets are a Nomad variable, which this job may read by its name:
#
#     nomad var put nomad/jobs/klaviyo-export-vip private_key=@klaviyo api_key=@api-key.txt
#     nomad job run vip.nomad.hcl
#     nomad job periodic force klaviyo-export-vip
#
# The clients have a host volume `klaviyo-export` that belongs to the user 65532. The image is built by packaging/Containerfile.
job "klaviyo-export-vip" {
  type = "batch"

  periodic {
    crons     = ["30 2 * * *"]
    time_zone = "Etc/UTC"
    # A second run of the same job would end with exit code 11.
    prohibit_overlap = true
  }

  group "run" {
    # Nomad does not tell exit codes apart, so it repeats nothing. The program repeats a failed transfer itself, for as long as
    # `give-up-after` in the job file says. What is left after that needs a person, or waits for the next night.
    restart {
      attempts = 0
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }

    # The next run continues an unfinished one from here.
    volume "state" {
      type   = "host"
      source = "klaviyo-export"
    }

    task "klaviyo-export" {
      driver = "docker"
      user   = "65532:65532"

      config {
        image           = "registry.example.com/klaviyo-export:0.1.0"
        args            = ["run", "/local/vip.toml"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
      }

      volume_mount {
        volume      = "state"
        destination = "/var/lib/klaviyo-export"
      }

      # Secrets that the job file does not name are looked up here, by their names.
      env {
        CREDENTIALS_DIRECTORY = "/secrets"
      }

      template {
        destination = "secrets/private-key"
        perms       = "400"
        uid         = 65532
        gid         = 65532
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/klaviyo-export-vip" }}{{ .private_key }}{{ end }}
          EOT
      }

      template {
        destination = "secrets/api-key"
        perms       = "400"
        uid         = 65532
        gid         = 65532
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/klaviyo-export-vip" }}{{ .api_key }}{{ end }}
          EOT
      }

      template {
        destination = "local/vip.toml"
        data        = <<-EOT
          name = "vip"

          [audience]
          files = ["s3://crm/exports/vip/*.parquet"]

          [columns]
          email = "Email"
          phone = "PhoneNumber"
          id = "ExternalID"

          [normalize]
          default-region = "US"

          [sftp]
          username = "AbCdEf_GhIjKl"
          host-key = ["SHA256:YsOHqiyTERZOgtadQcV7qwHicPHzhQdtga4fyqfnOa8"]

          [retry]
          give-up-after = "2h"

          [list]
          name = "VIP"
          create = true
          EOT
      }

      # More than `stop-timeout` of the job: after SIGTERM the program finishes or removes its current parts.
      kill_timeout = "60s"

      resources {
        cpu    = 500
        memory = 2048
      }
    }
  }
}
