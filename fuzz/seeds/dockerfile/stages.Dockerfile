# syntax=docker/dockerfile:1
# escape=\
ARG VERSION=1.2
FROM --platform=linux/amd64 golang:${VERSION:-1} AS build
WORKDIR /src
COPY --chown=1:1 go.* ./
RUN --mount=type=cache,target=/root/.cache \
    go build \
    # a comment
    -o /out ./...
RUN <<EOT sh -e
echo "$HOME" ${X:+y}
EOT
FROM scratch
COPY --from=build /out /app
ENV A=1 B="two words" C=it\'s
EXPOSE 80/tcp
HEALTHCHECK --interval=5s CMD ["/app", "health"]
USER 1000
ENTRYPOINT ["/app"]
CMD serve
