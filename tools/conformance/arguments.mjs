import { parseArgs } from 'node:util';

export const usage = `usage: npm run conformance -- --base-url <url> --api-key <key> [options]

  --base-url <url>            where the REST API, WebSocket and SSE are served, without /api/v1
  --api-key <key>             of an organization that may have a few hundred jobs more
  --grpc-address <host:port>  where SubscribeEvents is served; without it gRPC is skipped
  --grpc-tls                  gRPC over TLS (the default on port 443)
  --only <text>               only promises whose line contains this text; may be given again
  --concurrency <n>           promises checked at a time (4)
  --patience <n>              how many times as long as usual everything may take (1)`;

/** @throws Error with one sentence */
export function readArguments(args) {
  const { values } = parseArgs({
    args,
    options: {
      'base-url': { type: 'string' },
      'api-key': { type: 'string' },
      'grpc-address': { type: 'string' },
      'grpc-tls': { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      concurrency: { type: 'string', default: '4' },
      patience: { type: 'string', default: '1' },
    },
  });
  const { 'base-url': baseUrl, 'api-key': apiKey } = values;
  if (baseUrl === undefined || !URL.canParse(baseUrl)) throw new Error('--base-url is missing');
  if (apiKey === undefined) throw new Error('--api-key is missing');
  const concurrency = Number(values.concurrency);
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new Error('--concurrency is a whole number from 1 on');
  }
  const patience = Number(values.patience);
  if (!(patience > 0)) throw new Error('--patience is a number above 0');
  return {
    baseUrl: baseUrl.replace(/\/+$/, ''),
    apiKey,
    grpcAddress: values['grpc-address'],
    hasGrpcTls: values['grpc-tls'] || values['grpc-address']?.endsWith(':443') === true,
    only: values.only,
    concurrency,
    patience,
  };
}
