# The dashboard as files behind nginx: docker build -f docker/dashboard.Dockerfile -t spooled-dashboard .
# standalone serves the same files itself. Not run on the machine it was written on (no Docker engine there).

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY . .
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund
RUN NX_DAEMON=false npx nx build dashboard

FROM nginxinc/nginx-unprivileged:1.28-alpine
COPY docker/dashboard.conf /etc/nginx/conf.d/default.conf
COPY --from=build /app/apps/dashboard/dist /usr/share/nginx/html
EXPOSE 8080
