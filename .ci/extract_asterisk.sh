#!/bin/sh
# Unpack Asterisk 22 and all it needs into a folder, without installing anything.
#
#   .ci/extract_asterisk.sh FOLDER
#
# Debian has the version with chan_websocket in its testing suite only, so the packages come from
# there, over the mirror of this machine, and run by the dynamic loader among them.
set -eu
folder=$(mkdir -p "$1" && cd "$1" && pwd)
apt=$folder/apt
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/sources" "$folder/root"
: > "$apt/status"
mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' | awk '$2 == "Debian" {print $1}' \
	| grep -v security | sort -u | head -n 1)
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] $mirror forky main" > "$apt/sources/forky.list"
set -- -qq -o "Dir::State::Lists=$apt/lists" -o "Dir::State::status=$apt/status" \
	-o "Dir::Cache::Archives=$apt/archives" -o "Dir::Etc::SourceList=/dev/null" \
	-o "Dir::Etc::SourceParts=$apt/sources" -o APT::Sandbox::User=root \
	-o "Dir::Cache::pkgcache=$apt/pkgcache.bin" -o "Dir::Cache::srcpkgcache=$apt/srcpkgcache.bin"
apt-get "$@" update
apt-get "$@" install --download-only --yes --no-install-recommends asterisk
for package in "$apt"/archives/*.deb; do
	dpkg-deb --extract "$package" "$folder/root"
done
rm -r "$apt"
