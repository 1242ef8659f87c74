#!/usr/bin/env bash
# Makes the development cluster ready. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

CLUSTER=codex-dev

for program in k3d kubectl; do
  if ! command -v "$program" >/dev/null; then
    echo "setup-k3d: $program is required but not installed" >&2
    echo "hint: k3d may be a link to coracle (ln -s \"\$(command -v coracle)\" ~/.local/bin/k3d)" >&2
    exit 1
  fi
done

if k3d cluster list --no-headers | awk '{print $1}' | grep -qx "$CLUSTER"; then
  k3d cluster start "$CLUSTER"
else
  k3d cluster create --config k3d-config.yaml
fi

kubectl config use-context "k3d-$CLUSTER"
kubectl wait --for=condition=Ready nodes --all --timeout=60s

kubectl create namespace codex --dry-run=client -o yaml | kubectl apply -f -

if ! kubectl get secret codex-secrets -n codex >/dev/null 2>&1; then
  kubectl create secret generic codex-secrets -n codex \
    --from-literal=SECRET_KEY="$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')"
fi

cat <<TEXT

The cluster $CLUSTER is ready. Next: coracle up

  backend   http://localhost:8765/health
  frontend  http://localhost:5165/
  ingress   http://localhost:8080/   (coracle up -- --ingress)
TEXT
