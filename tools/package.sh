#!/bin/sh
# Packs the release executable with everything that it needs into target/package.
set -eu
cd "$(dirname "$0")/.."

version=$(target/release/lwm2m-gateway --version | cut -d ' ' -f 2)
name="lwm2m-gateway-$version-$(uname -m)"
folder="target/package/$name"
rm -rf "$folder"
mkdir -p "$folder/bin" "$folder/conf" "$folder/docs"
install -m 755 target/release/lwm2m-gateway "$folder/bin/"
strip --strip-debug "$folder/bin/lwm2m-gateway"
install -m 644 conf/gateway.toml conf/lwm2m-gateway.service "$folder/conf/"
cp -R objects "$folder/"
install -m 644 docs/*.md "$folder/docs/"
install -m 644 README.md CHANGELOG.md LICENSE "$folder/"
# The same content gives the same bytes: sorted, with the date of the last commit, owned by nobody in particular.
date=$(git log -1 --format=%ct 2>/dev/null || echo 0)
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$date" -C target/package -cf - "$name" | gzip -n >"$folder.tar.gz"
"$folder/bin/lwm2m-gateway" objects check "$folder/objects"
echo "$folder.tar.gz"
