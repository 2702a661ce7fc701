module "app" {
  source = "../../modules/app"

  documents = module.manifests.documents
}
