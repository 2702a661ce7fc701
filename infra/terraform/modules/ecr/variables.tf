################################################################################
# Where
################################################################################

variable "name" {
  description = "Name of the repository: what stands between the registry and the tag."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]+([._/-][a-z0-9]+)*$", var.name)) && length(var.name) >= 2 && length(var.name) <= 256
    error_message = "name is \"${var.name}\"; it must be 2 to 256 of a-z, 0-9 and single '.', '_', '-', '/' between them."
  }
}

################################################################################
# What runs
################################################################################

variable "kms_key_arn" {
  description = "Key that encrypts the images; null: the account's own key for ECR."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn is \"${coalesce(var.kms_key_arn, "null")}\"; it must be null or arn:aws:kms:REGION:ACCOUNT:key/ID. An alias may come to mean another key."
  }
}

################################################################################
# How much, and how many
################################################################################

variable "kept_images" {
  description = "Newest images that are kept. The one to roll back to must be among them."
  type        = number
  default     = 20
  nullable    = false

  validation {
    # Deployment.spec.revisionHistoryLimit is 5 (modules/app/manifests): each of these revisions has to find its image.
    condition     = var.kept_images >= 6 && floor(var.kept_images) == var.kept_images
    error_message = "kept_images is ${var.kept_images}; it must be a whole number from 6: the Deployment keeps 5 revisions to return to, and each needs its image."
  }
}

variable "untagged_days" {
  description = "Days after which an image without a tag is deleted."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.untagged_days >= 1 && floor(var.untagged_days) == var.untagged_days
    error_message = "untagged_days is ${var.untagged_days}; it must be a whole number from 1."
  }
}
