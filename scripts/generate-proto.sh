#!/bin/sh
# Writes src/drivers/etcd/gen/ from src/drivers/etcd/proto/. The result is committed; run this only after changing a .proto.
# buf and the plugin are fetched for this run, not dependencies of hale.
set -eu
cd "$(dirname "$0")/.."

npx --yes --package @bufbuild/buf@1.75.0 --package @bufbuild/protoc-gen-es@2.17.0 -- \
  buf generate src/drivers/etcd/proto --template '{
    "version": "v2",
    "plugins": [{ "local": "protoc-gen-es", "out": "src/drivers/etcd/gen", "opt": ["target=ts", "import_extension=ts"] }]
  }'
